import { beforeEach, describe, expect, test } from 'vitest';
import { Exit, Reg, type AddressSpace, type Cpu, type CpuThread } from '../../kernel/cpu.ts';
import { Profiler, type ProfiledEngine } from './profiler.ts';
import { reportText, speedscope } from './report.ts';
import type { ElfFunctions } from './elf.ts';

/** A processor whose runs are told what happens in them, in milliseconds on a clock of their own. */
class FakeEngine {
  now = 0;
  timesDecoding = false;
  decodeSeconds = 0;
  looked: (() => void) | undefined;
  compileSeconds = 0;
  readonly thread = { rip: 0, instructions: 0, getInt: (reg: Reg) => (reg === Reg.rax ? 1 : 0) };
  act: () => Exit = () => Exit.budget;
  region = -1;

  run(): Exit { return this.act(); }
  regionAt(): number { return this.region; }

  /** Runs to an address, where the engine looks. */
  to(address: number, milliseconds: number, instructions = 10_000): void {
    this.now += milliseconds;
    this.thread.rip = address;
    this.thread.instructions += instructions;
    this.looked!();
  }
}

describe('a profiler', () => {
  let engine: FakeEngine;
  let profiler: Profiler;
  let cpu: Cpu;
  const run = (act: () => Exit): Exit => {
    engine.act = act;
    return cpu.run(engine.thread as unknown as CpuThread, {} as AddressSpace, 1000);
  };
  /** A slice of the machine's time. */
  const slice = (act: () => void): void => {
    profiler.driven({ runSlice: () => { act(); return Infinity; } }).runSlice(8);
  };

  beforeEach(() => {
    engine = new FakeEngine();
    profiler = new Profiler({ now: () => engine.now, locate: address => ({ program: 'p', module: '/bin/p', offset: address }) });
    cpu = profiler.cpu(engine as unknown as ProfiledEngine);
    profiler.start();
  });

  test('gives each piece of time to what went on', () => {
    engine.now += 1; // before the slice
    slice(() => {
      engine.now += 2; // the scheduler
      run(() => {
        engine.to(0x100, 4);
        engine.decodeSeconds += 0.003;
        engine.compileSeconds += 0.002;
        engine.region = 7;
        engine.to(0x200, 3 + 2 + 8);
        engine.now += 0.5;
        return Exit.syscall;
      });
      engine.now += 16; // write(2)
      run(() => {
        engine.to(0x200, 32);
        return Exit.pageFault;
      });
      engine.now += 64;
      profiler.disk({ read: () => { engine.now += 128; return 0; } } as never).read(0, new Uint8Array(512));
      engine.now += 256;
    });
    engine.now += 512;
    expect(profiler.stop()).toBe(1 + 2 + 4 + 13 + 0.5 + 16 + 32 + 64 + 128 + 256 + 512);
    const activities: Record<string, number> = {};
    for (const sample of profiler.samples) if ('activity' in sample) activities[sample.activity] = (activities[sample.activity] ?? 0) + sample.milliseconds;
    expect(activities).toEqual({
      outside: 513, scheduler: 2, 'system call write': 16, 'page fault': 320, disk: 128, decode: expect.closeTo(3) as number, compile: expect.closeTo(2) as number,
    });
    const places = profiler.samples.flatMap(sample => 'place' in sample ? [[sample.place.offset, sample.region, Math.round(sample.milliseconds * 10) / 10]] : []);
    expect(places).toEqual([[0x100, -1, 4], [0x200, 7, 8], [0x200, 7, 32.5]]);
    const sum = profiler.samples.reduce((total, { milliseconds }) => total + milliseconds, 0);
    expect(sum).toBeCloseTo(1028.5);
  });

  test('looks at programs whose runs all end early, and loses no time of others', () => {
    slice(() => {
      for (let i = 0; i < 8; i++) {
        run(() => {
          engine.now += 1;
          engine.thread.instructions += 10_000;
          engine.thread.rip = 0x300 + i;
          return Exit.syscall;
        });
      }
    });
    profiler.stop();
    expect(profiler.samples.flatMap(sample => 'place' in sample ? [[sample.place.module, sample.place.offset, sample.milliseconds]] : [])).toEqual([
      ['/bin/p', 0x303, 4], ['/bin/p', 0x307, 4],
    ]);
  });

  test('that was not started counts nothing', () => {
    profiler.stop();
    slice(() => run(() => { engine.to(1, 5); return Exit.budget; }));
    expect(profiler.samples.filter(({ milliseconds }) => milliseconds > 0)).toEqual([]);
  });
});

describe('a report', () => {
  const place = (module: string, offset: number) => ({ program: 'p', module, offset });
  const profile = {
    samples: [
      { place: place('/bin/p', 0x10), region: -1, milliseconds: 30 }, { place: place('/bin/p', 0x20), region: 3, milliseconds: 10 },
      { place: place('/bin/p', 0x9000), region: -1, milliseconds: 5 }, { place: place('[heap]', 0x5000), region: -1, milliseconds: 5 },
      { place: place('/lib/none.so', 0x2345), region: -1, milliseconds: 10 },
      { program: 'p', activity: 'system call read' as const, milliseconds: 25 }, { program: 'p', activity: 'outside' as const, milliseconds: 15 },
    ],
    total: 100, tlbMisses: 40_000,
    functionsOf: (module: string) => module === '/bin/p' ? { at: (offset: number) => offset < 0x100 ? { name: 'work', address: 0 } : { name: '', address: 0x8f00 } } as ElfFunctions : undefined,
  };

  test('names functions, by file and address where they have no name, with the share that was compiled', () => {
    const text = reportText(profile);
    for (const line of ['50.0 %  interpreter', '10.0 %  compiled code', '25.0 %  system calls: read 25.0', '15.0 %  outside', '1.0 % of the whole at 25 ns',
      '40.0 %  work (p) (25 %)', '5.0 %  p+0x8f00 (0 %)', '5.0 %  [heap] (0 %)', '10.0 %  none.so+0x2000 (0 %)', '10.0 %  region 3: work (p)']) expect(text).toContain(line);
  });

  test('is a sampled profile of speedscope with the same weights', () => {
    const file = JSON.parse(speedscope(profile, 'test'));
    expect(file.$schema).toBe('https://www.speedscope.app/file-format-schema.json');
    const [sampled] = file.profiles;
    expect(sampled).toMatchObject({ type: 'sampled', unit: 'milliseconds', endValue: 100, weights: [30, 10, 5, 5, 10, 25, 15] });
    const names = (stack: number[]): string[] => stack.map(index => file.shared.frames[index].name);
    expect(names(sampled.samples[1])).toEqual(['p', 'p', 'work', '(region 3)']);
    expect(names(sampled.samples[5])).toEqual(['p', '(system calls)', 'read']);
    expect(names(sampled.samples[6])).toEqual(['(outside the machine)']);
  });
});
