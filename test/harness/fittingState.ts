/** Register and memory contents that an operation's interesting cases want, and that mere chance would seldom bring. */
import type { Row } from '../../webview/engine/x86/rows.ts';
import { CODE, DATA, DATA_SIZE, WINDOW, WINDOW_SIZE, type State } from './cases.ts';
import type { Random } from './random.ts';

const rax = 0, rcx = 1, rdx = 2, rbx = 3, rsp = 4, rbp = 5, rsi = 6, rdi = 7;

/** Where an instruction's explicit operand is: an address in the window, or a register number. */
export interface Operand {
  readonly target: number | undefined;
  readonly register: number | undefined;
}

/** Eight bytes of the window at an address, or undefined outside of it. */
function windowAt(state: State, address: number): bigint | undefined {
  const at = address - WINDOW;
  return at >= 0 && at <= WINDOW_SIZE - 8 ? new DataView(state.window.buffer, state.window.byteOffset).getBigUint64(at, true) : undefined;
}

function putWindow(state: State, address: number, value: bigint): void {
  const at = address - WINDOW;
  if (at >= 0 && at <= WINDOW_SIZE - 8) new DataView(state.window.buffer, state.window.byteOffset).setBigUint64(at, value, true);
}

function valueOf(state: State, { target, register }: Operand): bigint | undefined {
  return register !== undefined ? state.gpr(register) : target !== undefined ? windowAt(state, target) : undefined;
}

/** The dividend's upper half, so that the quotient often fits. */
function fitDividend(random: Random, state: State): void {
  if (random.oneIn(3)) return;
  state.setGpr(rdx, random.pick([0n, 0xffffffffffffffffn, BigInt(random.below(1000)), state.gpr(rdx) >> BigInt(random.below(64))]));
  if (random.oneIn(2)) state.setGpr(rax, BigInt(random.below(0x8000)));
}

/** The accumulator (pair) equal to what it is compared with. */
function fitComparand(random: Random, state: State, operand: Operand): void {
  if (random.oneIn(2)) return;
  const value = valueOf(state, operand);
  if (value !== undefined && operand.register !== rsp) state.setGpr(rax, value);
}

function fitPair(random: Random, state: State, { target }: Operand): void {
  if (target === undefined || random.oneIn(2)) return;
  const low = windowAt(state, target), next = windowAt(state, target + 8);
  if (low === undefined || next === undefined) return;
  state.setGpr(rax, random.oneIn(2) ? low : low & 0xffffffffn);
  state.setGpr(rdx, random.oneIn(2) ? next : low >> 32n);
}

/** A target with code that may be run: INT3s. */
function fitTarget(random: Random, state: State, { target, register }: Operand): void {
  if (random.oneIn(3)) return;
  const to = BigInt(CODE + 0x1000 + random.below(0xfff));
  if (register !== undefined && register !== rsp) state.setGpr(register, to);
  if (target !== undefined) putWindow(state, target, to);
}

/** Words of `size` bytes one behind the other: what far transfers take. */
function putWords(state: State, address: number, size: number, words: readonly number[]): void {
  words.forEach((word, i) => {
    const at = address - WINDOW + i * size;
    for (let byte = 0; byte < size; byte++) {
      if (at + byte >= 0 && at + byte < WINDOW_SIZE) state.window[at + byte] = byte < 4 ? word >>> (8 * byte) : 0;
    }
  });
}

/**
 * A frame for IRET or RETF, or a far pointer: mostly to code that may be run, with the selectors of Linux. Never by chance with 0x23, which
 * is 32-bit code to the machine and not to us.
 */
function fitFar(random: Random, state: State, address: number): void {
  const selector = random.pick([0x33, 0x33, 0x33, 0x33, 0x10, 0]);
  const words = [CODE + 0x1000 + random.below(0xfff), selector, 0x202 | (random.next() & 0x40cd5), WINDOW + random.below(256), random.pick([0x2b, 0x2b, 0x2b, 0x33])];
  putWords(state, address, random.pick([2, 4, 4, 8]), words);
}

/** Indices in the window, in places that overlap or equal each other, or just before the data's ends. */
export function fitString(random: Random, state: State, gsBase: number): void {
  const place = (): number => (random.oneIn(8) ? (random.oneIn(2) ? DATA + DATA_SIZE - random.below(64) : DATA + random.below(64)) : WINDOW + 128 + random.below(128));
  const source = place();
  state.setGpr(rsi, BigInt.asUintN(64, BigInt(source - gsBase)));
  state.setGpr(rdi, BigInt(random.oneIn(4) ? source + random.below(16) : place()));
  state.setGpr(rcx, BigInt(random.below(random.oneIn(4) ? 200 : 12)));
  if (random.oneIn(3)) state.window.copyWithin(128 + random.below(4), 128, 300);
  if (random.oneIn(3)) {
    state.window.fill(random.below(2), 100, 100 + random.below(300));
    state.setGpr(rax, random.pick([0n, 0x0101010101010101n]));
  }
}

/** ST(0) as the 80-bit number nearest to `numerator` / 2^`places`, positive, or one of its neighbours. */
function putTop(random: Random, state: State, numerator: bigint, places: number): void {
  const length = numerator.toString(2).length, drop = BigInt(Math.max(length - 64, 0));
  const mantissa = length > 64 ? numerator >> drop : numerator << BigInt(64 - length);
  const view = new DataView(state.fx.buffer, state.fx.byteOffset + 32, 10);
  view.setBigUint64(0, BigInt.asUintN(64, mantissa + BigInt(random.below(5) - 2)) | 1n << 63n, true);
  view.setUint16(8, (random.below(2) << 15) | (16383 + length - 1 - places), true);
}

/** Multiples of pi / 2, where argument reduction cancels most. */
function fitAngle(random: Random, state: State): void {
  if (!random.oneIn(3)) return;
  const multiple = (BigInt(random.next()) | 1n << BigInt(random.below(62))) >> BigInt(random.below(31));
  putTop(random, state, 0xc90fdaa22168c234c4c6628b80dc1cd1n * (multiple + 1n), 127);
}

/** Numbers near 1 for logarithms, near powers of two, and near the ends of the interval of f in the reduction. */
function fitLogarithm(random: Random, state: State): void {
  if (!random.oneIn(3)) return;
  const edge = random.pick([1n << 127n, 1n << 127n, 0xb504f333f9de6484597d89b3754abe9fn, 1n << 125n, 3n << 125n]);
  const off = random.bits64() >> BigInt(random.below(64)) << BigInt(random.below(60));
  putTop(random, state, edge + (random.oneIn(2) ? off : -off), 127 - random.pick([0, 0, 0, 1, 3, 100, -1, -2, -50]));
}

/** ST(0) at an exponent up to 200 above that of ST(1), for remainders in one step and more; also multiples and halves of it. */
function fitRemainder(random: Random, state: State): void {
  if (!random.oneIn(2)) return;
  const view = new DataView(state.fx.buffer, state.fx.byteOffset + 32, 32);
  const exponent = view.getUint16(24, true) & 0x7fff;
  view.setUint16(8, (random.below(2) << 15) | Math.min(Math.max(exponent + random.pick([-2, -1, 0, 1, random.below(70), random.below(200)]), 0), 0x7ffe), true);
  if (random.oneIn(3)) view.setBigUint64(0, view.getBigUint64(16, true) + BigInt(random.below(3) - 1) & (1n << 64n) - 1n, true);
}

/** Changes `state` for a row's operation; in most cases a little. */
export function fitState(random: Random, row: Row, state: State, operand: Operand): void {
  switch (row.operation) {
    case 'DIV': case 'IDIV': return fitDividend(random, state);
    case 'CMPXCHG': return fitComparand(random, state, operand);
    case 'CMPXCHG8B': case 'CMPXCHG16B': return fitPair(random, state, operand);
    case 'JMP': case 'CALL': return fitTarget(random, state, operand);
    case 'RET': return fitTarget(random, state, { target: Number(state.gpr(rsp)), register: undefined });
    case 'IRET': case 'RETF': return fitFar(random, state, Number(state.gpr(rsp)));
    case 'JMPF': case 'CALLF': case 'LSS': return operand.target === undefined ? undefined : fitFar(random, state, operand.target);
    case 'LEAVE': case 'ENTER':
      if (!random.oneIn(4)) state.setGpr(rbp, BigInt(WINDOW + 200 + random.below(200)));
      return;
    case 'MASKMOVQ': case 'MASKMOVDQU':
      if (!random.oneIn(4)) state.setGpr(rdi, BigInt(WINDOW + 32 + random.below(WINDOW_SIZE - 96)));
      return;
    case 'XLAT':
      if (!random.oneIn(4)) state.setGpr(rbx, BigInt(WINDOW + random.below(256)));
      return;
    case 'LOOP': case 'LOOPE': case 'LOOPNE': case 'JrCXZ':
      if (random.oneIn(2)) state.setGpr(rcx, random.pick([0n, 1n, 0x100000000n, 0x100000001n, 0xffffffff00000000n]));
      return;
    case 'FSIN': case 'FCOS': case 'FSINCOS': case 'FPTAN': return fitAngle(random, state);
    case 'FYL2X': case 'FYL2XP1': case 'F2XM1': return fitLogarithm(random, state);
    case 'FPREM': case 'FPREM1': case 'FPATAN': case 'FSCALE': return fitRemainder(random, state);
    default:
  }
}
