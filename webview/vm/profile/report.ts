/** What a profile says: shares of the whole, the hottest functions and regions, and the same as a flame view reads it. */
import type { ElfFunctions } from './elf.ts';
import type { Activity, Place, Sample } from './profiler.ts';

/** What a report is made of. */
export interface Profile {
  readonly samples: readonly Sample[];
  /** Milliseconds. */
  readonly total: number;
  /** Translations that were not in the TLB. */
  readonly tlbMisses: number;
  /** A module's functions, undefined if nothing is known of them. */
  readonly functionsOf: (module: string) => ElfFunctions | undefined;
}

/** What a miss is taken to cost, in nanoseconds: a walk through four tables, and the way out of compiled code and back. */
const missNanoseconds = 25;
/** Rows of each list. */
const mostRows = 25;

/** A function, as `name` and where it is. */
interface Code { readonly name: string; readonly module: string }

/** Gives places their functions. */
export class Namer {
  readonly #functionsOf: Profile['functionsOf'];
  readonly #elves = new Map<string, ElfFunctions | undefined>();

  constructor(functionsOf: Profile['functionsOf']) {
    this.#functionsOf = functionsOf;
  }

  /** A function without a name is called by its file and address; where nothing is known, by the page. */
  of({ module, offset }: Place): Code {
    const short = module.slice(module.lastIndexOf('/') + 1);
    if (!this.#elves.has(module)) this.#elves.set(module, this.#functionsOf(module));
    const found = this.#elves.get(module)?.at(offset);
    if (found?.name) return { name: found.name, module: short };
    if (module.startsWith('[')) return { name: module, module: '' };
    return { name: `${short}+0x${(found?.address ?? offset - offset % 4096).toString(16)}`, module: short };
  }
}

class Sums<K> {
  readonly map = new Map<K, number>();

  add(key: K, milliseconds: number): void {
    this.map.set(key, (this.map.get(key) ?? 0) + milliseconds);
  }

  get sorted(): [K, number][] {
    return [...this.map].sort((a, b) => b[1] - a[1]);
  }
}

/** The report as lines of text. */
export function reportText(profile: Profile): string {
  const { samples, total, tlbMisses } = profile;
  const namer = new Namer(profile.functionsOf);
  const percent = (milliseconds: number): string => `${(milliseconds / total * 100).toFixed(1).padStart(5)} %`;
  const parts = new Sums<string>(), calls = new Sums<string>(), functions = new Sums<string>(), compiled = new Sums<string>(), regions = new Sums<string>();
  const inRegion = new Map<number, Sums<string>>();
  for (const sample of samples) {
    if ('activity' in sample) {
      parts.add(partOf(sample.activity), sample.milliseconds);
      if (sample.activity.startsWith('system call ')) calls.add(sample.activity.slice('system call '.length), sample.milliseconds);
      continue;
    }
    const { place, region, milliseconds } = sample;
    parts.add(region < 0 ? 'interpreter' : 'compiled code', milliseconds);
    const { name, module } = namer.of(place);
    const line = module && !name.startsWith(`${module}+`) ? `${name} (${module})` : name;
    functions.add(line, milliseconds);
    if (region < 0) continue;
    compiled.add(line, milliseconds);
    regions.add(`${region}`, milliseconds);
    let sums = inRegion.get(region);
    if (!sums) inRegion.set(region, sums = new Sums());
    sums.add(line, milliseconds);
  }
  const lines = [`${(total / 1000).toFixed(2)} s, of which`];
  for (const [part, milliseconds] of parts.sorted) {
    const detail = part === 'system calls' ? `: ${calls.sorted.slice(0, 12).map(([name, ms]) => `${name} ${(ms / total * 100).toFixed(1)}`).join(', ')}` : '';
    lines.push(`  ${percent(milliseconds)}  ${part}${detail}`);
  }
  lines.push(`  ${tlbMisses} translations were not in the TLB: about ${percent(tlbMisses * missNanoseconds / 1e6).trim()} of the whole at ${missNanoseconds} ns each, within running`);
  lines.push('', 'Hottest functions (of them compiled)');
  for (const [name, milliseconds] of functions.sorted.slice(0, mostRows)) {
    lines.push(`  ${percent(milliseconds)}  ${name} (${((compiled.map.get(name) ?? 0) / milliseconds * 100).toFixed(0)} %)`);
  }
  if (regions.map.size > 0) lines.push('', 'Hottest regions of compiled code');
  for (const [region, milliseconds] of regions.sorted.slice(0, mostRows)) {
    lines.push(`  ${percent(milliseconds)}  region ${region}: ${inRegion.get(Number(region))!.sorted.slice(0, 4).map(([name]) => name).join(', ')}`);
  }
  return lines.join('\n');
}

function partOf(activity: Activity): string {
  if (activity.startsWith('system call ')) return 'system calls';
  const names: Partial<Record<Activity, string>> = {
    decode: 'decoding', compile: 'compiling', 'page fault': 'page faults', exception: 'exceptions and signals', scheduler: 'scheduling', disk: 'disk',
    outside: 'outside the machine: idle, and the host',
  };
  return names[activity] ?? activity;
}

/**
 * The profile as speedscope's file format (a sampled profile with weights in milliseconds), which speedscope.app and others show as a
 * flame graph, by time or merged. Frames from the outside in: program, file, function; or program and what it waited for.
 */
export function speedscope(profile: Profile, title: string): string {
  const namer = new Namer(profile.functionsOf);
  const frames: { name: string; file?: string }[] = [];
  const known = new Map<string, number>();
  const frame = (name: string, file?: string): number => {
    const key = `${name}\0${file ?? ''}`;
    let index = known.get(key);
    if (index === undefined) {
      known.set(key, index = frames.length);
      frames.push(file === undefined ? { name } : { name, file });
    }
    return index;
  };
  const stack = (sample: Sample): number[] => {
    if ('activity' in sample) {
      if (sample.activity === 'outside') return [frame('(outside the machine)')];
      const program = frame(sample.program || '(start)');
      return sample.activity.startsWith('system call ') ? [program, frame('(system calls)'), frame(sample.activity.slice('system call '.length))] : [program, frame(`(${sample.activity})`)];
    }
    const { name, module } = namer.of(sample.place);
    return [frame(sample.place.program), ...(module ? [frame(module)] : []), frame(name, sample.place.module), frame(sample.region < 0 ? '(interpreted)' : `(region ${sample.region})`)];
  };
  const samples = profile.samples.map(stack);
  return JSON.stringify({
    $schema: 'https://www.speedscope.app/file-format-schema.json', exporter: 'linux-vm', name: title, activeProfileIndex: 0, shared: { frames },
    profiles: [{ type: 'sampled', name: title, unit: 'milliseconds', startValue: 0, endValue: profile.total, samples, weights: profile.samples.map(sample => sample.milliseconds) }],
  });
}
