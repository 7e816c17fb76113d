/** FXSAVE and FXRSTOR: the legacy area of SDM vol. 1 table 10-2. Descriptions have probed the addresses. */
import { callValue, load16U, load32, load64, load8U, loadV128, type Code } from '../../wasm/code.ts';
import { I32, type I64 } from '../../wasm/values.ts';
import { STATE, Scratch, Slot } from '../../state.ts';
import { MemoryHelper, type HelperDefinitions, type Helpers } from '../contract.ts';

/** One row of sixteen bytes is put together here. */
const row = Scratch.fxsaveRow;
const slot = (offset: number): number => STATE + offset;

/** Address of ST(i) in the register file. */
const register = (i: number): I32 => load32(slot(Slot.fpuTop)).add(i).and(7).shl(4).add(slot(Slot.x87));

/** (address): stores bytes 0-415. The last instruction's place is zero, as on AMD's processors while no exception is pending. */
function fxsave(code: Code, helpers: Helpers): void {
  const address = code.parameter(0, 'i64');
  const put = (offset: number, from: I32 | number): void =>
    code.drop(callValue(helpers.get<'i32'>(MemoryHelper.storeSlowV128), address.add(offset), loadV128(from)));
  code.store64(row, 0);
  code.store64(row + 8, 0);
  code.store16(row, load32(slot(Slot.fpuControl)));
  code.store16(row + 2, load32(slot(Slot.fpuStatus)).or(load32(slot(Slot.fpuTop)).shl(11)));
  code.store8(row + 4, load32(slot(Slot.fpuTags)));
  put(0, row);
  code.store64(row, 0);
  code.store32(row + 8, load32(slot(Slot.mxcsr)));
  code.store32(row + 12, 0xffff);
  put(16, row);
  for (let i = 0; i < 8; i++) put(32 + i * 16, code.let(register(i)));
  for (let i = 0; i < 16; i++) put(160 + i * 16, slot(Slot.xmm) + i * 16);
  code.return();
}

/** (address) -> 0, or 1 for #GP: MXCSR has bits that don't exist. */
function fxrstor(code: Code, helpers: Helpers): void {
  const address = code.parameter(0, 'i64');
  const at = (offset: number): I32 =>
    code.let(callValue(helpers.get<'i32'>(MemoryHelper.translate), (address as I64).add(offset), I32.of(16), I32.of(0)));
  const second = at(16), mxcsr = code.let(load32(second, 8));
  code.if(mxcsr.shrU(16), () => code.return(I32.of(1)));
  code.store32(slot(Slot.mxcsr), mxcsr);
  const first = at(0), status = code.let(load16U(first, 2));
  const control = code.let(load16U(first).and(0x1f3f).or(0x40));
  code.store32(slot(Slot.fpuControl), control);
  code.store32(slot(Slot.fpuTop), status.shrU(11).and(7));
  // ES and B say whether an unmasked exception is pending.
  const pending = status.and(control.xor(-1)).and(0x3f).eqz().eqz().mul(0x8080);
  code.store32(slot(Slot.fpuStatus), status.and(0x477f).or(pending));
  code.store32(slot(Slot.fpuTags), load8U(first, 4));
  for (let i = 0; i < 8; i++) {
    const from = at(32 + i * 16), to = code.let(register(i));
    code.store64(to, load64(from));
    code.store64(to, load16U(from, 8).toI64U(), 8);
  }
  for (let i = 0; i < 16; i++) code.storeV128(slot(Slot.xmm) + i * 16, loadV128(at(160 + i * 16)));
  code.return(I32.of(0));
}

export const fxsaveHelpers: HelperDefinitions = {
  fxsave: { parameters: ['i64'], result: undefined, usesRegisters: true, body: fxsave },
  fxrstor: { parameters: ['i64'], result: 'i32', usesRegisters: true, body: fxrstor },
};
