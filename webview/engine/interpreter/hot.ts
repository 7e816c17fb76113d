/**
 * Which forms stand in the run function itself. It is compiled as a whole, and slower the larger it is, so it has what programs spend their
 * time in; all other forms are a call away. Nothing else depends on this choice.
 */
import { ADDRESSING } from '../x86/rows.ts';
import { Shape, type Form } from './forms.ts';

/** Operand sizes with which an operation is frequent. */
const wide = [4, 8], all = [1, 4, 8];
const frequent: Readonly<Record<string, readonly number[]>> = {
  MOV: all, MOVZX: wide, MOVSX: wide, MOVSXD: [8], LEA: wide, PUSH: [8], POP: [8], CBW: wide, CWD: wide,
  ADD: all, SUB: wide, CMP: all, TEST: all, AND: all, OR: all, XOR: all, INC: wide, DEC: wide, NEG: wide, NOT: wide, ADC: wide, SBB: wide,
  SHL: wide, SHR: wide, SAR: wide, ROL: wide, ROR: wide, IMUL: wide, MUL: [8], DIV: wide, BT: wide, CMOVcc: wide, SETcc: [1], XCHG: wide, CMPXCHG: [4],
  Jcc: [8], JMP: [8], CALL: [8], RET: [8], LEAVE: [8], NOP: wide, ENDBR64: wide, TZCNT: wide, BSF: wide, BSR: wide,
};
/** Vector operations: the sizes of these forms say nothing. */
const frequentVectors: ReadonlySet<string> = new Set([
  'MOVAPS', 'MOVUPS', 'MOVAPD', 'MOVUPD', 'MOVDQA', 'MOVDQU', 'MOVQ', 'MOVD', 'MOVSS', 'MOVSD', 'MOVHPS', 'MOVLPS', 'MOVHPD', 'MOVLPD', 'PXOR', 'POR', 'PAND', 'PANDN',
  'XORPS', 'XORPD', 'ANDPS', 'ANDPD', 'PCMPEQB', 'PMINUB', 'PMOVMSKB', 'PSHUFD', 'PUNPCKLQDQ', 'PUNPCKLDQ', 'PADDD', 'PADDQ',
  'ADDSD', 'SUBSD', 'MULSD', 'DIVSD', 'SQRTSD', 'COMISD', 'UCOMISD', 'CVTSI2SD', 'CVTTSD2SI', 'CVTSS2SD', 'CVTSD2SS', 'UNPCKLPD', 'UNPCKLPS',
  'ADDSS', 'SUBSS', 'MULSS', 'DIVSS', 'COMISS', 'UCOMISS', 'ADDPD', 'SUBPD', 'MULPD', 'ADDPS', 'MULPS',
]);

export function isHot(form: Form): boolean {
  const { row, size, shape } = form;
  if (form.addressSize !== 8 || form.rep !== 0) return false;
  if (row.operands.some(o => o.addressing === ADDRESSING.P || o.addressing === ADDRESSING.Q || o.addressing === ADDRESSING.S || o.addressing === ADDRESSING.SEGMENT)) return false;
  const isVector = row.operands.some(o => o.addressing === ADDRESSING.V || o.addressing === ADDRESSING.W);
  if (isVector) return frequentVectors.has(row.operation);
  // Assemblers write operations between registers as E,G.
  const reversed = row.operands[0]?.addressing === ADDRESSING.G && row.operands[1]?.addressing === ADDRESSING.E && row.map === 0 && row.operands.length === 2;
  if (reversed && shape === Shape.register && row.operation !== 'MOVSXD') return false;
  return frequent[row.operation]?.includes(size) ?? false;
}
