/**
 * Where a machine's time goes: it stands between kernel and processor, between host and kernel, and before the disk, and looks at the
 * clock whenever one hands over to another. While programs run the engine says every so many instructions that it looks where they are. Without a profiler
 * none of this is in the way.
 */
import type { BlockDevice } from '../../fs/vfs/block.ts';
import { Exit, Reg, type AddressSpace, type Cpu, type CpuStatistics, type CpuThread } from '../../kernel/cpu.ts';
import { syscallsByNumber } from '../../kernel/syscalls/table.ts';
import type { Attempt, Io } from '../../lib/wait.ts';
import type { Driven } from '../driver.ts';

/** The processor with what only a profiler asks. */
export interface ProfiledEngine extends Cpu {
  /** Number of the compiled region that can be entered at an address, -1 where there is none. */
  regionAt(space: AddressSpace, address: number): number;
  /** Makes `decodeSeconds` count. */
  timesDecoding: boolean;
  readonly decodeSeconds: number;
  readonly compileSeconds: number;
  /** Called every so many instructions, at a jump; the thread's rip then is where it is. */
  looked: (() => void) | undefined;
}

/** A place in a program. */
export interface Place {
  /** Name of the process's program (comm). */
  readonly program: string;
  /** Path of the mapped file, or a name in brackets for other memory. */
  readonly module: string;
  /** Offset in the file; an address in other memory. */
  readonly offset: number;
}

/** Tells where the task that runs now is, for an address of its code. */
export type Locate = (address: number) => Place;

/** What time was spent on besides running programs. */
export type Activity = 'decode' | 'compile' | 'page fault' | 'exception' | 'scheduler' | 'disk' | 'outside' | `system call ${string}`;

/** Activities by number: system calls by their own, then the rest. */
const callCount = 512;
const others = ['decode', 'compile', 'page fault', 'exception', 'scheduler', 'disk', 'outside'] as const;
const idOf = (activity: (typeof others)[number]): number => callCount + others.indexOf(activity);
const decode = idOf('decode'), compile = idOf('compile'), pageFault = idOf('page fault'), exception = idOf('exception'), scheduler = idOf('scheduler'), disk = idOf('disk'), outside = idOf('outside');

function nameOf(activity: number): Activity {
  return others[activity - callCount] ?? `system call ${syscallsByNumber[activity]?.name ?? activity}`;
}

/** `milliseconds` in which a program was about at a place; `region` as in `regionAt`. */
export interface PlaceSample { readonly place: Place; readonly region: number; milliseconds: number }
export interface ActivitySample { readonly program: string; readonly activity: Activity; milliseconds: number }
export type Sample = PlaceSample | ActivitySample;

export interface ProfilerOptions {
  /** Milliseconds. */
  readonly now: () => number;
  readonly locate: Locate;
}

/** Instructions after which the end of a run counts as a look, for programs whose runs all end before the engine looks. */
const longestUnseen = 1 << 15;
/** Milliseconds of activities that are summed up before they become samples: a program may make a million calls a second. */
const longestPending = 5;

export class Profiler {
  readonly #now: () => number;
  readonly #locate: Locate;
  /** In the order of time, but for activities between two looks. */
  readonly samples: Sample[] = [];
  /** Milliseconds by activity that are not samples yet, which of them aren't zero, and their sum. */
  readonly #pending = new Float64Array(callCount + others.length);
  readonly #touched: number[] = [];
  #pendingSum = 0;
  #mark = 0;
  #started = 0;
  #activity = outside;
  #program = '';
  /** Running time since the last look. */
  #running = 0;
  #isOn = false;

  constructor({ now, locate }: ProfilerOptions) {
    this.#now = now;
    this.#locate = locate;
  }

  /** What happens from now on counts. */
  start(): void {
    this.#mark = this.#started = this.#now();
    this.#activity = outside;
    this.#isOn = true;
  }

  /** Milliseconds from `start` to now; nothing counts any more. */
  stop(): number {
    if (this.#isOn) this.#charge();
    this.#isOn = false;
    this.#flush();
    if (this.#running > 0) this.samples.push({ place: { program: this.#program, module: '[between two looks]', offset: 0 }, region: -1, milliseconds: this.#running });
    return this.#mark - this.#started;
  }

  /** The engine as the kernel is to see it. */
  cpu(engine: ProfiledEngine): Cpu {
    return new ProfiledCpu(engine, this);
  }

  disk(device: BlockDevice): BlockDevice {
    return new ProfiledDevice(device, this);
  }

  driven(machine: Driven): Driven {
    return {
      runSlice: milliseconds => {
        this.turnTo(scheduler);
        try {
          return machine.runSlice(milliseconds);
        } finally {
          this.turnTo(outside);
        }
      },
    };
  }

  /** Time up to now belongs to what was going on; from now on to `activity`. Returns what was going on. */
  turnTo(activity: number): number {
    if (this.#isOn) this.#charge();
    const before = this.#activity;
    this.#activity = activity;
    return before;
  }

  /** A program ran until now, but for these milliseconds, in which its code was decoded and compiled. */
  ran(decoding: number, compiling: number): void {
    if (!this.#isOn) return;
    const now = this.#now();
    this.#running += Math.max(0, now - this.#mark - decoding - compiling);
    this.#mark = now;
    if (decoding > 0) this.#add(decode, decoding);
    if (compiling > 0) this.#add(compile, compiling);
  }

  /** The program that ran since the last look is at `address`, in that region. */
  look(address: number, region: number): void {
    if (!this.#isOn) return;
    const place = this.#locate(address);
    if (place.program !== this.#program || this.#pendingSum > longestPending) this.#flush();
    this.#program = place.program;
    const last = this.samples.at(-1);
    if (last && 'place' in last && last.place.offset === place.offset && last.place.module === place.module && last.region === region) last.milliseconds += this.#running;
    else this.samples.push({ place, region, milliseconds: this.#running });
    this.#running = 0;
  }

  #charge(): void {
    const now = this.#now();
    this.#add(this.#activity, now - this.#mark);
    this.#mark = now;
  }

  #add(activity: number, milliseconds: number): void {
    if (milliseconds <= 0) return;
    if (this.#pending[activity] === 0) this.#touched.push(activity);
    this.#pending[activity]! += milliseconds;
    this.#pendingSum += milliseconds;
    if (this.#pendingSum > longestPending) this.#flush();
  }

  #flush(): void {
    for (const activity of this.#touched) {
      this.samples.push({ program: this.#program, activity: nameOf(activity), milliseconds: this.#pending[activity]! });
      this.#pending[activity] = 0;
    }
    this.#touched.length = 0;
    this.#pendingSum = 0;
  }
}

/** What a run's end gives the kernel to do. */
function activityAfter(exit: Exit, thread: CpuThread): number {
  if (exit === Exit.syscall) return thread.getInt(Reg.rax) & callCount - 1;
  if (exit === Exit.pageFault) return pageFault;
  return exit === Exit.budget ? scheduler : exception;
}

class ProfiledCpu implements Cpu {
  readonly #engine: ProfiledEngine;
  readonly #profiler: Profiler;
  /** What runs now. */
  #thread: CpuThread | undefined;
  #space: AddressSpace | undefined;
  /** The engine's figures, and the thread's instructions, when they were looked at last. */
  #decodeSeconds = 0;
  #compileSeconds = 0;
  #unseen = 0;

  constructor(engine: ProfiledEngine, profiler: Profiler) {
    this.#engine = engine;
    this.#profiler = profiler;
    engine.timesDecoding = true;
    engine.looked = () => {
      this.#settle();
      this.#look();
    };
  }

  run(thread: CpuThread, space: AddressSpace, budget: number): Exit {
    this.#profiler.turnTo(scheduler);
    this.#thread = thread;
    this.#space = space;
    const before = thread.instructions;
    const exit = this.#engine.run(thread, space, budget);
    this.#settle();
    this.#unseen += thread.instructions - before;
    if (this.#unseen >= longestUnseen) this.#look();
    this.#profiler.turnTo(activityAfter(exit, thread));
    return exit;
  }

  #settle(): void {
    const { decodeSeconds, compileSeconds } = this.#engine;
    this.#profiler.ran((decodeSeconds - this.#decodeSeconds) * 1000, (compileSeconds - this.#compileSeconds) * 1000);
    this.#decodeSeconds = decodeSeconds;
    this.#compileSeconds = compileSeconds;
  }

  #look(): void {
    const { rip } = this.#thread!;
    this.#unseen = 0;
    this.#profiler.look(rip, this.#engine.regionAt(this.#space!, rip));
  }

  interrupt(): void {
    this.#engine.interrupt();
  }

  get frames() { return this.#engine.frames; }
  createThread(): CpuThread { return this.#engine.createThread(); }
  createAddressSpace(): AddressSpace | undefined { return this.#engine.createAddressSpace(); }
  get faultAddress() { return this.#engine.faultAddress; }
  get faultAccess() { return this.#engine.faultAccess; }
  get interruptVector(): number { return this.#engine.interruptVector; }
  get statistics(): CpuStatistics { return this.#engine.statistics; }
  describeInstruction(thread: CpuThread, space: AddressSpace): string { return this.#engine.describeInstruction(thread, space); }
}

class ProfiledDevice implements BlockDevice {
  readonly #device: BlockDevice;
  readonly #profiler: Profiler;

  constructor(device: BlockDevice, profiler: Profiler) {
    this.#device = device;
    this.#profiler = profiler;
  }

  #timed<T>(act: () => T): T {
    const before = this.#profiler.turnTo(disk);
    const answer = act();
    this.#profiler.turnTo(before);
    return answer;
  }

  get size(): number { return this.#device.size; }
  get readOnly(): boolean { return this.#device.readOnly; }
  read(position: number, into: Uint8Array): Attempt<number> { return this.#timed(() => this.#device.read(position, into)); }
  write(position: number, from: Uint8Array): Attempt<number> { return this.#timed(() => this.#device.write(position, from)); }
  discard(position: number, length: number): void { this.#device.discard(position, length); }
  commit(): Io<number> { return this.#device.commit(); }
  prefetch(position: number, length: number): void { this.#device.prefetch(position, length); }
}
