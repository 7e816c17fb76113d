/**
 * REP loops with 64-bit addresses. All take (segment base of the source, ZF to go on with) and return 0 when they are done, 1 when there
 * is more to do but others should have a turn, -1 with a fault noted. Registers are exact whenever they return.
 */
import { callValue, load32, load64, load8U, type Code, type Label, type Variable } from '../../wasm/code.ts';
import { I32, I64, select } from '../../wasm/values.ts';
import { Run, STATE, Slot, TF } from '../../state.ts';
import { MemoryHelper, type HelperDefinition, type HelperDefinitions, type Helpers } from '../contract.ts';
import { Flags } from '../flags.ts';
import { Int, type Width } from '../int.ts';
import { loadInt, storeInt } from '../operand.ts';

const rax = 0, rcx = 1, rsi = 6, rdi = 7;
const place = (number: number): number => STATE + Slot.gpr + number * 8;
const register = (number: number): I64 => load64(place(number));

/** Stretches (parts of a page, or single elements) that are done before others get a turn. */
const stretches = 64;

/** TF: an iteration is a step. */
const isStepping = (): I32 => load32(STATE + Slot.otherFlags).and(TF);

/** A loop over stretches: what all REP operations share. */
class RepLoop {
  readonly code: Code;
  readonly width: Width;
  readonly #helpers: Helpers;
  /** Index registers that move. */
  readonly #moving: readonly number[];

  constructor(code: Code, helpers: Helpers, width: Width, moving: readonly number[]) {
    this.code = code;
    this.width = width;
    this.#helpers = helpers;
    this.#moving = moving;
  }

  get segmentBase(): I64 {
    return this.code.parameter(0, 'i64');
  }
  get source(): I64 {
    return register(rsi).add(this.segmentBase);
  }
  get destination(): I64 {
    return register(rdi);
  }

  /** Host address, pinned; returns -1 from the helper on a fault. */
  translate(address: I64, size: number | I32, write: boolean): I32 {
    const { code } = this;
    const host = code.let(callValue(this.#helpers.get<'i32'>(MemoryHelper.translate), address, I32.of(size), I32.of(write ? 1 : 0)));
    code.if(host.eq(-1), () => code.return(I32.of(-1)));
    return host;
  }

  /** Stores an element wherever it is. */
  storeSlow(value: Int): void {
    const { code } = this;
    const failed = callValue(this.#helpers.get<'i32'>(MemoryHelper.storeSlow), this.destination, value.i64, I32.of(this.width));
    code.if(failed, () => code.return(I32.of(-1)));
  }

  /** Elements up to the end of the page. */
  #room(address: I64): I32 {
    return I32.of(4096).sub(address.toI32().and(4095)).shrU(Math.log2(this.width));
  }

  /** Accounts for `count` elements. */
  advance(count: I32): void {
    const { code } = this;
    const step = count.toI64U().mul(select(load32(STATE + Slot.directionFlag), I64.of(-this.width), I64.of(this.width)));
    const bytes = code.let(step);
    for (const number of this.#moving) code.store64(place(number), register(number).add(bytes));
    code.store64(place(rcx), register(rcx).sub(count.toI64U()));
  }

  /** Writes the loop. `single` does one element; `many` a number of them that lie in one page each, upwards. Both account for it. */
  write(single: () => void, many: (count: I32) => void): void {
    const { code } = this;
    const turns = code.variable(select(isStepping(), I32.of(1), I32.of(stretches)));
    const stamp = code.let(load32(Run.codeStamp));
    code.loop(next => {
      // If code was written, which may be what follows: once more with nothing to do, and on from there by a look-up.
      code.if(register(rcx).eqz(), () => code.return(load32(Run.codeStamp).ne(stamp)));
      code.if(turns.value.eqz(), () => code.return(I32.of(1)));
      code.set(turns, turns.value.sub(1));
      const count = this.#count();
      code.if(count.value.eqz(), single, () => many(count.value));
      code.br(next);
    });
    code.unreachable();
  }

  /** How many elements are in reach at once; 0 downwards, if the next one crosses a page, or in single steps. */
  #count(): Variable<I32> {
    const { code } = this;
    const count = code.variable(select(register(rcx).gtU(4096), I32.of(4096), register(rcx).toI32()));
    for (const number of this.#moving) {
      const room = code.let(this.#room(number === rsi ? this.source : this.destination));
      code.set(count, select(count.value.ltU(room), count.value, room));
    }
    code.set(count, select(load32(STATE + Slot.directionFlag).or(isStepping()), I32.of(0), count.value));
    return count;
  }

  /** Calls `body` with byte offsets 0, width, ... below `count` elements. */
  each(count: I32, body: (offset: I32, leave: Label) => void): Variable<I32> {
    const { code } = this;
    const offset = code.variable(I32.of(0)), end = code.let(count.shl(Math.log2(this.width)));
    code.block(leave => {
      code.loop(again => {
        body(offset.value, leave);
        code.set(offset, offset.value.add(this.width));
        code.brIf(again, offset.value.ltU(end));
      });
    });
    return offset;
  }
}

function repMovs(width: Width, code: Code, helpers: Helpers): void {
  const rep = new RepLoop(code, helpers, width, [rsi, rdi]);
  rep.write(() => {
    const value = loadInt(width, rep.translate(rep.source, width, false));
    rep.storeSlow(Int.clean(width, code.let(value.value as I32)));
    rep.advance(I32.of(1));
  }, count => {
    const bytes = code.let(count.shl(Math.log2(width)));
    const from = rep.translate(rep.source, 1, false), to = rep.translate(rep.destination, bytes, true);
    // A destination inside of what is still to be read repeats it.
    const overlaps = to.sub(from).sub(1).ltU(bytes.sub(1));
    code.if(overlaps, () => {
      rep.each(count, offset => storeInt(code, to.add(offset), loadInt(width, from.add(offset))));
    }, () => code.copy(to, from, bytes));
    rep.advance(count);
  });
}

function repStos(width: Width, code: Code, helpers: Helpers): void {
  const rep = new RepLoop(code, helpers, width, [rdi]);
  const value = loadInt(width, I32.of(place(rax)));
  rep.write(() => {
    rep.storeSlow(value);
    rep.advance(I32.of(1));
  }, count => {
    const bytes = code.let(count.shl(Math.log2(width)));
    const to = rep.translate(rep.destination, bytes, true);
    const low = code.let(load8U(place(rax)));
    if (width === 1) code.fill(to, low, bytes);
    else {
      const same = value.eq(Int.cut(width, low.toI64U().mul(0x0101010101010101n)));
      code.if(same, () => code.fill(to, low, bytes), () => { rep.each(count, offset => storeInt(code, to.add(offset), value)); });
    }
    rep.advance(count);
  });
}

function repLods(width: Width, code: Code, helpers: Helpers): void {
  const rep = new RepLoop(code, helpers, width, [rsi]);
  const take = (host: I32): void => {
    const value = loadInt(width, host);
    if (width < 4) storeInt(code, I32.of(place(rax)), value);
    else code.store64(place(rax), value.i64);
  };
  rep.write(() => {
    take(rep.translate(rep.source, width, false));
    rep.advance(I32.of(1));
  }, count => {
    take(rep.translate(rep.source, 1, false).add(count.sub(1).shl(Math.log2(width))));
    rep.advance(count);
  });
}

/** CMPS, and SCAS with the accumulator in place of the source: until the operands are (un)equal. */
function repCompare(width: Width, code: Code, helpers: Helpers, scan: boolean): void {
  const rep = new RepLoop(code, helpers, width, scan ? [rdi] : [rsi, rdi]);
  const goesOn = code.parameter(1, 'i32');
  const flags = new Flags(code);
  const finish = (a: Int, b: Int): void => {
    flags.sub(a, b, Int.clean(width, code.let(a.sub(b).value as I32)));
    code.if(a.eq(b).ne(goesOn), () => code.return(I32.of(0)));
  };
  const pinned = (value: Int): Int => Int.clean(width, code.let(value.value as I32));
  const accumulator = (): Int => pinned(loadInt(width, I32.of(place(rax))));
  // Which of two faults is told is this CPU family's choice: that of the destination, but for REPE CMPSB.
  const startAtSource = (): void => { if (width === 1 && !scan) code.if(goesOn, () => void rep.translate(rep.source, 1, false)); };
  rep.write(() => {
    startAtSource();
    // One is read before the other's page is looked at: both may use the bounce buffer.
    const b = pinned(loadInt(width, rep.translate(rep.destination, width, false)));
    const a = scan ? accumulator() : pinned(loadInt(width, rep.translate(rep.source, width, false)));
    rep.advance(I32.of(1));
    finish(a, b);
  }, count => {
    startAtSource();
    const to = rep.translate(rep.destination, 1, false), from = scan ? I32.of(place(rax)) : rep.translate(rep.source, 1, false);
    const element = (offset: I32): [Int, Int] => [loadInt(width, scan ? from : from.add(offset)), loadInt(width, to.add(offset))];
    const offset = rep.each(count, (at, leave) => {
      const [a, b] = element(at);
      code.brIf(leave, a.eq(b).ne(goesOn));
    });
    const all = code.let(count.shl(Math.log2(width)));
    const last = code.let(select(offset.value.ltU(all), offset.value, all.sub(width)));
    const [a, b] = element(last).map(pinned) as [Int, Int];
    rep.advance(code.let(last.shrU(Math.log2(width)).add(1)));
    finish(a, b);
  });
}

const bodies: Readonly<Record<string, (width: Width, code: Code, helpers: Helpers) => void>> = {
  repMovs, repStos, repLods,
  repCmps: (width, code, helpers) => repCompare(width, code, helpers, false),
  repScas: (width, code, helpers) => repCompare(width, code, helpers, true),
};

export const stringHelpers: HelperDefinitions = Object.fromEntries(Object.entries(bodies).flatMap(([name, body]) => (
  [1, 2, 4, 8] as const).map((width): [string, HelperDefinition] => [
  `${name}${width}`, { parameters: ['i64', 'i32'], result: 'i32', usesRegisters: true, body: (code, helpers) => body(width, code, helpers) },
])));
