/** A whole kernel over a tree in memory, on a processor of choice: for tests that need processes but no disk. */
import { populateDev } from '../../webview/fs/devfs.ts';
import { Devpts } from '../../webview/fs/devpts.ts';
import { Tmpfs } from '../../webview/fs/tmpfs.ts';
import { Walk } from '../../webview/fs/vfs/namespace.ts';
import { PageCache } from '../../webview/fs/vfs/pageCache.ts';
import type { Path } from '../../webview/fs/vfs/path.ts';
import { Vfs } from '../../webview/fs/vfs/vfs.ts';
import type { OpenFile } from '../../webview/fs/vfs/openFile.ts';
import { O_CREAT, O_TRUNC, O_WRONLY } from '../../webview/kernel/abi/fcntl.ts';
import type { Cpu } from '../../webview/kernel/cpu.ts';
import { Kernel } from '../../webview/kernel/kernel.ts';
import type { Process } from '../../webview/kernel/task/process.ts';
import { BufferSource } from '../../webview/lib/transfer.ts';
import { runNow } from '../../webview/lib/wait.ts';
import { superuser } from './callers.ts';

export class KernelMachine {
  readonly kernel: Kernel;
  readonly vfs: Vfs;
  readonly log: string[] = [];
  /** Processes that the host would hear of, with their wait status. */
  readonly ended = new Map<Process, number>();
  /** Nanoseconds since boot; tests move it. */
  clock = 1e9;

  /** `trace` gets strace's lines. */
  constructor(cpu: Cpu, trace?: (line: string) => void) {
    const cache = new PageCache(cpu.frames);
    const now = () => ({ seconds: 1000 + Math.floor(this.clock / 1e9), nanoseconds: 0 });
    this.vfs = new Vfs({ root: new Tmpfs({ device: 1, cache, now, mode: 0o755 }), source: 'tmpfs', now });
    const devpts = new Devpts(3, now);
    let seed = 1;
    this.kernel = new Kernel({
      cpu, namespace: this.vfs, pageCache: cache, devpts, memoryFileSystem: new Tmpfs({ device: 4, cache, now }), createFileSystem: () => -19,
      clock: { monotonic: () => this.clock, wall: () => 1e6 + this.clock / 1e6 },
      random: bytes => { for (let i = 0; i < bytes.length; i++) bytes[i] = seed = (seed * 1103515245 + 12345) & 0x7fffffff; },
      log: line => this.log.push(line), trace, exited: (process, status) => this.ended.set(process, status), halt: () => {},
    });
    this.vfs.openers = this.kernel.files;
    const root = superuser(this.vfs.root, 0);
    runNow(this.vfs.mkdir(root, root.cwd, 'dev', 0o755));
    const dev = runNow(this.vfs.resolve(root, root.cwd, 'dev', Walk.directory)) as Path;
    runNow(populateDev(this.vfs, root, dev));
    this.vfs.mount(devpts, runNow(this.vfs.resolve(root, dev, 'pts', Walk.directory)) as Path, 'devpts', 0);
  }

  /** Writes a file of the root directory. */
  put(name: string, contents: Uint8Array, mode = 0o755): void {
    const root = superuser(this.vfs.root, 0);
    const file = runNow(this.vfs.open(root, root.cwd, name, O_WRONLY | O_CREAT | O_TRUNC, mode)) as OpenFile;
    file.write(new BufferSource(contents), 0);
    file.release();
  }

  /** Starts a program of the root directory as root: its process, or -errno. */
  spawn(name: string, argv: readonly string[] = [name]): Process | number {
    return runNow(this.kernel.spawn({ path: `/${name}`, argv, environment: [], uid: 0, gid: 0, groups: [], cwd: '/', umask: 0o022 }));
  }
}
