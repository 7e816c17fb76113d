/** The command line of the headless VM (`npm run vm`). Parsing only; what the options do is in main.ts. */
import type { Tiers } from '../../engine/engine.ts';

export interface HostMount {
  readonly host: string;
  readonly guest: string;
  readonly readOnly: boolean;
}

export interface Options {
  /** Name of a built image, a manifest's path or URL, or a raw ext2 file. */
  disk: string;
  mounts: HostMount[];
  user: string;
  /** Empty: the user's home. */
  cwd: string;
  environment: Record<string, string>;
  /** Guest RAM in MB. */
  memory: number;
  engine: Tiers;
  /** File for strace output; '' is standard error; undefined is off. */
  strace: string | undefined;
  stats: string | undefined;
  /** File for a flame view of where time goes; '' for the report alone. */
  profile: string | undefined;
  /** Write the disk as a raw ext2 file and end. */
  export: string | undefined;
  state: string | undefined;
  /** Empty: a login shell. */
  command: string[];
}

/** A sentence about what is wrong with the command line. */
export class UsageError extends Error {}

export const usage = `usage: npm run -s vm -- [options] [--] COMMAND [ARG...]
  --disk NAME|FILE|URL     built image, chunked image's manifest, or raw ext2 file (base)
  --state DIR              keep the changes there (without it they are thrown away)
  --mount HOST:GUEST[:ro]  a host directory in the VM; repeatable
  --user NAME              user to run as (user)
  --cwd DIR                working directory (the user's home)
  --env K=V                environment variable; repeatable
  --memory MB              guest RAM (1024)
  --engine NAME            how code is run: jit (what is hot is compiled), interpreter, eager (all is compiled),
                           check (all is, and what it does is compared with the interpreter) (jit)
  --strace[=FILE]          print each system call
  --stats[=FILE]           figures at the end: into FILE as one JSON object
  --profile[=FILE]         where time went, at the end: into FILE as a flame view's (speedscope.app)
  --export FILE            write the disk as a raw ext2 file and end
No command: a login shell. Exit status: the command's, 128+N after signal N, 125 for a fault of the VM.`;

type Setter = (options: Options, value: string) => void;

/** Options with a value, given as the next argument or behind `=`. */
const setters: Readonly<Record<string, Setter>> = {
  disk: (o, v) => { o.disk = v; },
  state: (o, v) => { o.state = v; },
  mount: (o, v) => { o.mounts.push(parseMount(v)); },
  user: (o, v) => { o.user = v; },
  cwd: (o, v) => { o.cwd = v; },
  env: (o, v) => {
    const at = v.indexOf('=');
    if (at < 1) throw new UsageError(`--env ${v}: expected NAME=VALUE`);
    o.environment[v.slice(0, at)] = v.slice(at + 1);
  },
  memory: (o, v) => {
    const megabytes = Number(v);
    if (!Number.isInteger(megabytes) || megabytes < 32 || megabytes > 3840) throw new UsageError(`--memory ${v}: expected a whole number of MB from 32 to 3840`);
    o.memory = megabytes;
  },
  engine: (o, v) => {
    if (v !== 'interpreter' && v !== 'jit' && v !== 'eager' && v !== 'check') throw new UsageError(`--engine ${v}: expected interpreter, jit, eager or check`);
    o.engine = v;
  },
  export: (o, v) => { o.export = v; },
};

/** Options whose value is optional and only behind `=`. */
const flags: Readonly<Record<string, Setter>> = {
  strace: (o, v) => { o.strace = v; },
  stats: (o, v) => { o.stats = v; },
  profile: (o, v) => { o.profile = v; },
};

function parseMount(text: string): HostMount {
  const match = /^(.+?):(\/[^:]*)(:ro)?$/.exec(text);
  if (!match) throw new UsageError(`--mount ${text}: expected HOST:GUEST[:ro] with an absolute GUEST`);
  return { host: match[1]!, guest: match[2]!, readOnly: match[3] !== undefined };
}

/** Reads the arguments behind the program's name. Throws UsageError. */
export function parseOptions(args: readonly string[]): Options {
  const options: Options = {
    disk: 'base', mounts: [], user: 'user', cwd: '', environment: {}, memory: 1024, engine: 'jit',
    strace: undefined, stats: undefined, profile: undefined, export: undefined, state: undefined, command: [],
  };
  let at = 0;
  for (; at < args.length; at++) {
    const arg = args[at]!;
    if (arg === '--') {
      at++;
      break;
    }
    if (!arg.startsWith('--')) break;
    const equals = arg.indexOf('=');
    const name = equals < 0 ? arg.slice(2) : arg.slice(2, equals);
    const flag = flags[name];
    if (flag) {
      flag(options, equals < 0 ? '' : arg.slice(equals + 1));
      continue;
    }
    const setter = setters[name];
    if (!setter) throw new UsageError(`unknown option --${name}`);
    if (equals < 0 && at + 1 >= args.length) throw new UsageError(`--${name} needs a value`);
    setter(options, equals < 0 ? args[++at]! : arg.slice(equals + 1));
  }
  options.command = args.slice(at);
  return options;
}
