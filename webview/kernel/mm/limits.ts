/** The resource limits of a process (getrlimit(2)). They live here since memory obeys some of them. */
import * as Resource from '../abi/resource.ts';

const defaults: readonly (readonly [number, number, number])[] = [
  [Resource.RLIMIT_STACK, 8 << 20, Infinity],
  [Resource.RLIMIT_CORE, 0, Infinity],
  [Resource.RLIMIT_NOFILE, 1024, 1048576],
  [Resource.RLIMIT_MEMLOCK, 8 << 20, 8 << 20],
  [Resource.RLIMIT_MSGQUEUE, 819200, 819200],
  [Resource.RLIMIT_NICE, 0, 0],
  [Resource.RLIMIT_RTPRIO, 0, 0],
];

/** Soft and hard limits by RLIMIT_*; Infinity is RLIM_INFINITY. */
export class Limits {
  readonly #soft = new Float64Array(Resource.RLIM_NLIMITS).fill(Infinity);
  readonly #hard = new Float64Array(Resource.RLIM_NLIMITS).fill(Infinity);

  /** What init starts with; NPROC and SIGPENDING follow the machine's size. */
  static forMachine(processes: number): Limits {
    const limits = new Limits();
    for (const [resource, soft, hard] of defaults) limits.set(resource, soft, hard);
    limits.set(Resource.RLIMIT_NPROC, processes, processes);
    limits.set(Resource.RLIMIT_SIGPENDING, processes, processes);
    return limits;
  }

  soft(resource: number): number {
    return this.#soft[resource]!;
  }

  hard(resource: number): number {
    return this.#hard[resource]!;
  }

  set(resource: number, soft: number, hard: number): void {
    this.#soft[resource] = soft;
    this.#hard[resource] = hard;
  }

  /** fork(2): a copy. */
  copy(): Limits {
    const copy = new Limits();
    for (let i = 0; i < Resource.RLIM_NLIMITS; i++) copy.set(i, this.#soft[i]!, this.#hard[i]!);
    return copy;
  }
}
