/** A profiler on a machine: where its tasks are, and its files' functions. */
import { O_RDONLY } from '../../kernel/abi/fcntl.ts';
import type { Inode } from '../../fs/vfs/inode.ts';
import { readFully } from '../../fs/vfs/readFully.ts';
import { toText, type ByteString } from '../../lib/byteString.ts';
import { runAsync, type Io } from '../../lib/wait.ts';
import type { VirtualMachine } from '../machine.ts';
import { ElfFunctions } from './elf.ts';
import { Profiler, type Place } from './profiler.ts';
import type { Profile } from './report.ts';

/** Larger files are left without names. */
const largestFile = 256 << 20;

export class MachineProfile {
  readonly profiler: Profiler;
  #machine: VirtualMachine | undefined;
  readonly #names = new Map<Inode, ByteString>();
  #tlbMisses = 0;

  constructor() {
    this.profiler = new Profiler({ now: () => performance.now(), locate: address => this.#locate(address) });
  }

  /** Counts from now on. */
  start(machine: VirtualMachine): void {
    this.#machine = machine;
    this.#tlbMisses = machine.engine.statistics.tlbMisses;
    this.profiler.start();
  }

  #locate(address: number): Place {
    const { kernel, fileSystems: { vfs } } = this.#machine!;
    const task = kernel.scheduler.current;
    const program = task ? toText(task.name) : '';
    const vma = task?.memory.find(address);
    if (!vma?.file) return { program, module: vma?.name || '[anonymous]', offset: address };
    const { inode } = vma.file;
    let module = this.#names.get(inode);
    if (module === undefined) this.#names.set(inode, module = vfs.pathName(vma.file.path, vfs.root));
    return { program, module, offset: vma.pageOffset * 4096 + address - vma.start };
  }

  /** Ends counting, and reads what its files say of their functions. */
  async finish(): Promise<Profile> {
    const total = this.profiler.stop();
    const machine = this.#machine!;
    const elves = new Map<string, ElfFunctions | undefined>();
    for (const module of new Set(this.#names.values())) {
      const bytes = await runAsync(readFile(machine, module));
      elves.set(module, bytes && ElfFunctions.read(bytes));
    }
    return { samples: this.profiler.samples, total, tlbMisses: machine.engine.statistics.tlbMisses - this.#tlbMisses, functionsOf: module => elves.get(module) };
  }
}

function* readFile({ fileSystems: { vfs, host } }: VirtualMachine, path: ByteString): Io<Uint8Array | undefined> {
  const file = yield* vfs.open(host, vfs.root, path, O_RDONLY, 0);
  if (typeof file === 'number') return undefined;
  const bytes = file.inode.size <= largestFile ? yield* readFully(file, 0, file.inode.size) : undefined;
  const rest = file.release();
  if (rest) yield* rest;
  return typeof bytes === 'number' ? undefined : bytes;
}
