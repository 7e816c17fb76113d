// Where objdump and the decoder are known to differ, each with the reason; a difference that no entry matches fails the test.
import type { Mode } from '../../webview/engine/x86/dispatch.ts';
import type { Difference } from './objdumpComparison.ts';

export interface ExpectedDifference {
  readonly why: string;
  readonly matches: (difference: Difference, mode: Mode) => boolean;
}

/** Instructions newer than the tables; #UD here. */
const UNKNOWN = /\b(femms|vbcstn|vcvtne|vpdpb[us][us]ds?|vpmadd52|cmp\w+xadd|ldtilecfg|sttilecfg|tile\w+|tdp\w+|tcmm\w+|aadd|aand|axor|aor|loadiwkey|aes\w+kl|encodekey\w+|pf\w+|pi2f\w|pavgusb|pmulhrw|pswapd|xstore\S*|xcrypt\S+|xsha\d+|montmul|vpermil2p|frstpm|rdpru|vmgexit|movnts[sd]|insertq|extrq|rmpadjust|rmpupdate|rmpquery|psmash|pvalidate|tlbsync|invlpgb|seamcall|seamret|seamops|tdcall|pconfig|encls|enclu|enclv|hreset|prefetchit[01]|rdmsrlist|wrmsrlist|wrmsrns)/;

const PREFIX_WORD = /^(data16|addr32|addr16|es|cs|ss|ds|fs|gs|lock|repz|repnz|rep|bnd|notrack|xacquire|xrelease|rex(\.\w+)?)$/;

/** The text without data16, repz, rex.W and the like before the mnemonic. */
function withoutPrefixes(text: string): string {
  const words = text.split(' ');
  return words.slice(words.findIndex((word) => !PREFIX_WORD.test(word))).join(' ');
}

/** True if 66 is among the prefixes. */
function hasOperandSize(hex: string): boolean {
  return /^((26|2e|36|3e|64|65|67|f0|f2|f3|4.))*66/.test(hex);
}

export const EXPECTED_DIFFERENCES: readonly ExpectedDifference[] = [
  {
    why: 'objdump shows a REX prefix that another prefix follows, or too many prefixes, as instructions of their own; for the processor they are part of the next one',
    matches: ({ theirs }) => theirs.split(' ').every((word) => PREFIX_WORD.test(word)),
  },
  {
    why: 'objdump lets 66, F2 and F3 pass before instructions for which the SDM says NP (none allowed); #UD on processors',
    matches: ({ theirs, ours }) => ours === '(bad)' && /^(\S+ )*(repz|repnz|data16|rep) /.test(theirs),
  },
  {
    why: 'objdump takes a superfluous 66, F2 or F3 before an instruction without mandatory prefixes for one; processors ignore it',
    matches: ({ theirs, ours }) => theirs.includes('(bad)') && /^(\S+ )*(repz|repnz|data16) /.test(ours),
  },
  {
    why: 'whether objdump shows superfluous prefixes next to others depends on its tables',
    matches: ({ theirs, ours, theirLength, ourLength }) => theirLength === ourLength && withoutPrefixes(theirs) === withoutPrefixes(ours),
  },
  {
    why: 'XCHG eAX,eAX and NOP',
    matches: ({ theirs, ours, theirLength, ourLength }) => theirLength === ourLength && /\bxchg ([re]?ax),\1$/.test(theirs) && ours.endsWith('nop'),
  },
  {
    why: 'mask registers above k7: #UD, which is left to the description',
    matches: ({ theirs, ours }) => theirs.includes('(bad)') && /\bk\d/.test(ours),
  },
  {
    why: 'SALC, undocumented but executed by all processors in 32-bit mode',
    matches: ({ ours }, mode) => mode === 32 && ours.endsWith('salc'),
  },
  {
    why: 'test registers, gone since the Pentium',
    matches: ({ theirs, ours }, mode) => mode === 32 && ours === '(bad)' && /\btr\d/.test(theirs),
  },
  {
    why: 'SYSCALL and SYSRET in 32-bit mode are AMD only, RDFSBASE and its kin do not exist there',
    matches: ({ theirs, ours }, mode) => mode === 32 && ours === '(bad)' && /\b(syscall|sysret|(rd|wr)[fg]sbase|uiret|testui|clui|stui|senduipi|swapgs)\b/.test(theirs),
  },
  {
    why: 'LOCK MOV CR0 for CR8 is AMD only',
    matches: ({ theirs, ours }) => /\bmov (cr\d+|\w+,cr\d+)/.test(theirs) && ours.includes('lock'),
  },
  {
    why: '0F 0D with a register: a reserved NOP on Intel processors and here, #UD on AMD',
    matches: ({ hex, theirs, ours }) => hex.includes('0f') && /prefetch\w* \(bad\)/.test(theirs) && /\bnop /.test(ours),
  },
  {
    why: 'LFENCE, MFENCE, SFENCE with ModRM.rm other than 0: processors ignore it',
    matches: ({ theirs, ours }) => theirs.includes('(bad)') && /[lms]fence$/.test(ours),
  },
  {
    why: 'VMOVSS and VMOVSD between registers with VEX.L: objdump names a ymm register',
    matches: ({ theirs, ours, mnemonic }) => /^VMOVS[SD]$/.test(mnemonic) && theirs.replace('ymm', 'xmm') === ours,
  },
  {
    why: 'MOVSXD with 66: the source is a word (SDM vol. 2 MOVSXD), objdump says a doubleword',
    matches: ({ mnemonic, theirLength, ourLength }) => mnemonic === 'MOVSXD' && theirLength === ourLength,
  },
  {
    why: 'LSS, LFS, LGS, far CALL and JMP with 66 and REX.W: REX.W counts, objdump shows a 32-bit pointer',
    matches: ({ mnemonic, theirLength, ourLength, hex }) => /^(L[SFG]S|CALLF|JMPF)$/.test(mnemonic) && theirLength === ourLength && hasOperandSize(hex),
  },
  {
    why: 'branches to memory with NOTRACK and FS or GS: objdump forgets the segment',
    matches: ({ theirs, theirLength, ourLength }) => theirs.includes('notrack') && theirLength === ourLength,
  },
  {
    why: 'FLDENV, FNSTENV, FRSTOR, FNSAVE with 66 and REX.W: REX.W counts',
    matches: ({ mnemonic, theirLength, ourLength }) => /^(FLDENV|FNSTENV|FRSTOR|FNSAVE)$/.test(mnemonic) && theirLength === ourLength,
  },
  {
    why: 'F3 90 with REX.B exchanges (seen on an AMD processor), objdump says PAUSE',
    matches: ({ theirs, ours }) => /\bpause$/.test(theirs) && /\bxchg r8/.test(ours),
  },
  {
    why: 'MOVDQ2Q and MOVQ2DQ with 66: objdump names an xmm register for the mmx one',
    matches: ({ mnemonic, theirLength, ourLength }) => /^(MOVDQ2Q|MOVQ2DQ)$/.test(mnemonic) && theirLength === ourLength,
  },
  {
    why: 'gathers whose registers are not all different: #UD, which is left to the description',
    matches: ({ theirs, ours }) => theirs.includes('/(bad)') && /\bvp?gather/.test(ours),
  },
  {
    why: 'PCLMULQDQ with 2 or 3: objdump gives them the names of 10h and 11h',
    matches: ({ mnemonic, ours }) => /^V?PCLMULQDQ$/.test(mnemonic) && /,0x[23]$/.test(ours),
  },
  {
    why: 'RDFSBASE and its kin with 66: the operand is 32 or 64 bits wide, objdump says 16',
    matches: ({ mnemonic, theirLength, ourLength }) => /^(RD|WR)[FG]SBASE$/.test(mnemonic) && theirLength === ourLength,
  },
  {
    why: 'data among the code: objdump stops where a symbol begins',
    matches: ({ theirs }) => /^(\S+ )*\.byte/.test(theirs),
  },
  {
    why: 'x87 aliases (FCOM2, FCOMP3, FXCH4, FSTP8, ...) that processors execute and objdump does not know',
    matches: ({ theirs, ours }) => theirs.includes('(bad)') && /(fcom|fcomp|fxch|fstp) st\(\d\)$/.test(ours),
  },
  {
    why: 'REX.W makes objdump name a 64-bit register where 32 bits are written and the rest is cleared',
    matches: ({ mnemonic, theirLength, ourLength }) => theirLength === ourLength && /^V?(PMOVMSKB|MOVMSKP[SD]|PEXTR[BWD]|EXTRACTPS|PINSR[BW]|TPAUSE|UMWAIT)$/.test(mnemonic),
  },
  {
    why: 'VZEROUPPER, VZEROALL, VLDMXCSR, VSTMXCSR with a mandatory prefix: #UD, objdump does not look',
    matches: ({ theirs, ours }) => ours === '(bad)' && /vzero(upper|all)|v(ld|st)mxcsr/.test(theirs),
  },
  {
    why: 'MPX (BNDMOV, BNDLDX, ...), PREFETCHIT0: NOPs on processors without them, and so here',
    matches: ({ theirs, ours, theirLength, ourLength }) => /bnd|prefetchit/.test(theirs) && /\bnop /.test(ours) && (theirLength === ourLength || theirs.includes('(bad)')),
  },
  {
    why: 'instructions that are newer than the tables, or 3DNow!',
    matches: ({ theirs, ours }) => ours === '(bad)' && UNKNOWN.test(theirs),
  },
  {
    why: 'EVEX and XOP: objdump knows which of them are valid, here all are #UD',
    matches: ({ theirs, ours }) => theirs.includes('(bad)') && /\((evex|xop)\)/.test(ours),
  },
  {
    why: '66 before a near branch or return: in 64-bit mode ignored by Intel processors and here, 16 bits wide for objdump (as on AMD); in 32-bit mode objdump does not always cut the target to 16 bits',
    matches: ({ hex, ours }) => hasOperandSize(hex) && /\b(ret( 0x\w+)?|(j\w+|loop\w*|call|xbegin)(,p[nt])? 0x\w+|(call|jmp) [^,]*)$/.test(ours),
  },
  {
    why: 'objdump joins FWAIT with the x87 instruction after it (FSTCW, FSTSW, FINIT, ...)',
    matches: ({ hex, ours }) => ours.endsWith('fwait') && hex.includes('9b'),
  },
];
