/** The machine as procfs reads it (fs/procfs/source.ts). Load averages follow from the moments at which they are asked for. */
import type { ProcessView, SystemView } from '../fs/procfs/source.ts';
import type { Caller } from '../fs/vfs/caller.ts';
import type { PageCache } from '../fs/vfs/pageCache.ts';
import type { Mount, Path } from '../fs/vfs/path.ts';
import type { Vfs } from '../fs/vfs/vfs.ts';
import { featureNames, processorName } from '../engine/semantics/cpuid.ts';
import type { Machine } from '../kernel/task/machine.ts';
import type { ByteString } from '../lib/byteString.ts';
import { KernelProcessView } from './processView.ts';

const pageSize = 4096;

function uuid(random: (bytes: Uint8Array) => void): string {
  const bytes = new Uint8Array(16);
  random(bytes);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, b => b.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

export interface SystemParts {
  readonly machine: Machine;
  readonly vfs: Vfs;
  readonly cache: PageCache;
}

export class KernelSystemView implements SystemView {
  readonly #parts: () => SystemParts;
  readonly bootTime: number;
  readonly bootId: string;
  readonly cpuModel = processorName;
  readonly cpuFlags = featureNames().join(' ');
  #load = 0;
  #loadAsked = 0;

  /** `parts` is asked at the first read: the kernel is made after the file systems. */
  constructor(parts: () => SystemParts, bootTime: number, random: (bytes: Uint8Array) => void) {
    this.#parts = parts;
    this.bootTime = bootTime;
    this.bootId = uuid(random);
  }

  get #machine(): Machine { return this.#parts().machine; }
  get pids(): Iterable<number> { return this.#machine.processes.pids; }
  process(pid: number): ProcessView | undefined {
    const process = this.#machine.processes.get(pid);
    return process && new KernelProcessView(process, path => this.pathName(path, this.#parts().vfs.root));
  }
  self(caller: Caller): { pid: number; tid: number } | undefined {
    const task = this.#machine.processes.taskOf(caller);
    return task && { pid: task.pid, tid: task.tid };
  }
  get uptime(): number { return this.#machine.timers.now(); }
  get idleTime(): number { return Math.max(0, this.uptime - this.userTime - this.systemTime); }
  #total(of: 'user' | 'system' | 'minorFaults' | 'majorFaults'): number {
    let total = 0;
    for (const process of this.#machine.processes.processes) total += process.totalUsage()[of] + process.childUsage[of];
    return total;
  }
  get userTime(): number { return this.#total('user'); }
  get systemTime(): number { return this.#total('system'); }
  get minorFaults(): number { return this.#total('minorFaults'); }
  get majorFaults(): number { return this.#total('majorFaults'); }
  get memory(): SystemView['memory'] {
    const { machine: { cpu: { frames } }, cache } = this.#parts();
    const cached = cache.cachedPages * pageSize;
    const anonymous = Math.max(0, (frames.total - frames.free) * pageSize - cached);
    return {
      total: frames.total * pageSize, free: frames.free * pageSize, cached, dirty: cache.dirtyPages * pageSize,
      shared: cache.pinnedPages * pageSize, mapped: 0, anonymous, pageTables: 0,
    };
  }
  get loadAverages(): readonly [number, number, number] {
    const now = this.uptime;
    const runnable = this.runnable;
    const decay = Math.exp((this.#loadAsked - now) / 60e9);
    this.#load = this.#load * decay + runnable * (1 - decay);
    this.#loadAsked = now;
    return [this.#load, this.#load, this.#load];
  }
  get runnable(): number {
    const { scheduler } = this.#machine;
    return scheduler.runnable + (scheduler.current ? 1 : 0);
  }
  get taskCount(): number { return this.#machine.processes.taskCount; }
  get lastPid(): number { return this.#machine.processes.lastPid; }
  get contextSwitches(): number { return this.#machine.scheduler.switches; }
  get processesCreated(): number { return this.#machine.processes.created; }
  get release(): string { return this.#machine.names.release; }
  get version(): string { return this.#machine.names.version; }
  get hostName(): ByteString { return this.#machine.names.nodename; }
  set hostName(name: ByteString) { this.#machine.names.nodename = name; }
  get mounts(): readonly Mount[] { return this.#parts().vfs.mounts; }
  pathName(path: Path, root: Path): ByteString { return this.#parts().vfs.pathName(path, root); }
  randomUuid(): string { return uuid(bytes => this.#machine.random(bytes)); }
  get openFiles(): number {
    let count = 0;
    for (const process of this.#machine.processes.processes) count += process.task?.files.size ?? 0;
    return count;
  }
}
