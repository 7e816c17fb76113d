/** Mounts ext2 images in memory behind a VFS. */
import { Ext2, type Ext2Options } from '../../webview/fs/ext2/ext2.ts';
import { MountFailure } from '../../webview/fs/ext2/layout.ts';
import type { Caller } from '../../webview/fs/vfs/caller.ts';
import type { FrameStore } from '../../webview/fs/vfs/frames.ts';
import { PageCache } from '../../webview/fs/vfs/pageCache.ts';
import { Vfs } from '../../webview/fs/vfs/vfs.ts';
import type { Wake } from '../../webview/lib/wait.ts';
import { type Wait } from '../../webview/lib/wait.ts';
import { superuser } from './callers.ts';
import { MemoryDevice } from './memoryDevice.ts';
import { MemoryFrames } from './memoryFrames.ts';

export interface Mounted {
  device: MemoryDevice;
  cache: PageCache;
  fileSystem: Ext2;
  vfs: Vfs;
  root: Caller;
  log: string[];
  /** Drives a computation, bringing what the device was asked for whenever it waits. */
  run<T>(io: Generator<Wait, T, Wake>): T;
}

export interface MountSettings {
  frames?: number;
  /** Memory for the page cache instead of `frames` of its own. */
  store?: FrameStore;
  device?: MemoryDevice;
  options?: Partial<Ext2Options>;
  dentryLimit?: number;
}

function drive<T>(device: MemoryDevice, io: Generator<Wait, T, Wake>): T {
  for (let steps = 0; ; steps++) {
    const step = io.next(0);
    if (step.done === true) return step.value;
    if (device.chunkSize === 0 || steps > 1e6) throw new Error('it waits for something that never comes');
    device.arrive();
  }
}

let clock = 1_700_000_000;

/** The mounted image, or why it can't be mounted. */
export function tryMount(image: Uint8Array, settings: MountSettings = {}): Mounted | MountFailure {
  const device = settings.device ?? new MemoryDevice(image);
  const cache = new PageCache(settings.store ?? new MemoryFrames(settings.frames ?? 2048));
  const log: string[] = [];
  const now = (): { seconds: number; nanoseconds: number } => ({ seconds: clock, nanoseconds: (clock++ * 7919) % 1e9 });
  const fileSystem = drive(device, Ext2.mount({ device, deviceNumber: 0x801, cache, now, log: line => log.push(line), ...settings.options }));
  if (fileSystem instanceof MountFailure) return fileSystem;
  const vfs = new Vfs({
    root: fileSystem, source: '/dev/vda', now, ...(settings.dentryLimit === undefined ? {} : { dentryLimit: settings.dentryLimit }),
  });
  return { device, cache, fileSystem, vfs, root: superuser(vfs.root), log, run: io => drive(device, io) };
}

export function mount(image: Uint8Array, settings: MountSettings = {}): Mounted {
  const mounted = tryMount(image, settings);
  if (mounted instanceof MountFailure) throw new Error(mounted.message);
  return mounted;
}
