/**
 * Small pieces of machine code with one idea each, whose compiled form is kept as text beside this file. Addresses start at 0x400000. What they
 * are as instructions stands at the head of each text.
 */
export interface Kernel {
  /** Name of its file. */
  readonly name: string;
  readonly idea: string;
  /** Bytes, hexadecimal. */
  readonly code: string;
  /** How many of them are instructions, if not all. */
  readonly length?: number;
}

export const kernels: readonly Kernel[] = [
  { name: 'sumArray', idea: 'a loop over an array', code: '4803074883c708ffc975f5c3' },
  { name: 'indexedTable', idea: 'a table by index', code: '0fb6140e8b149701d048ffc14c39c172efc3' },
  { name: 'structFields', idea: 'fields off one base', code: '8b0703470489470848ff4710488b571848895720c3' },
  { name: 'linkedList', idea: 'the base changes with each turn', code: '034708488b3f4885ff75f5c3' },
  { name: 'stackFrame', idea: 'the entry and exit of a function', code: '554889e5534883ec18897dec8b5dec8d43014883c4185b5dc3' },
  { name: 'callInside', idea: 'a call and its return in the region', code: '89cfe80700000001c3ffc975f3c38d447f03c3' },
  { name: 'twoCallers', idea: 'a return with two places to go', code: 'e80a00000089c3e80300000001d8c36bc707ffc7c3' },
  { name: 'compareJump', idea: 'cmp with jumps, unsigned and signed', code: '39f772114883fa057f0b80f9037e06b801000000c3b802000000c3' },
  { name: 'testJump', idea: 'test with jumps', code: '85ff780d40f6c60475074885d27e02ffc0c3' },
  { name: 'flagsLeave', idea: 'flags that are live where the region ends', code: '01f7ffe2' },
  { name: 'flagsAcross', idea: 'one comparison for jumps in three blocks', code: '4839f77408770a4883c708ebf30f92c0c3b803000000c3' },
  { name: 'carryChain', idea: 'adc and sbb', code: '4801d04811cb4983d00029f74519c9c3' },
  { name: 'incKeepsCarry', idea: 'inc between an addition and adc', code: '488b06481107488d7608488d7f08ffc975eec3' },
  { name: 'setConditions', idea: 'setcc', code: '39f70f9cc00f92c10f94c20fb6c00f9ac3c3' },
  { name: 'conditionalMoves', idea: 'cmovcc: minimum and absolute value', code: '39f70f4ffe89f8f7d80f48c7c3' },
  { name: 'byteRegisters', idea: 'low and high bytes', code: '88c700e380f1550fb6d7b20740fec6c3' },
  { name: 'words', idea: '16 bits', code: '6601f70fb7c766c1c008668902c3' },
  { name: 'narrowResults', idea: '32-bit results clear the upper half', code: '89f801f04863c8c1e003488d0401f7d0c3' },
  { name: 'shifts', idea: 'by constants and by cl', code: '48c1e004c1fa1f48d3ebd3e6490fa4f80c41c1c907c3' },
  { name: 'shiftFlags', idea: 'flags of a shift', code: 'd1ef720848c1fe037802ffc0c3' },
  { name: 'multiply', idea: 'imul and mul', code: '480faffe6bc76448f7e14801d0c3' },
  { name: 'divide', idea: 'div and idiv', code: '31d2f7f189c34889f8489948f7fec3' },
  { name: 'magicDivision', idea: 'a division by a constant, as compilers write it', code: '89f8bacdcccccc480fafc248c1e8238d148001d229d7c3' },
  { name: 'bits', idea: 'bt, bsf, popcnt, bswap', code: '0fa3cf72120fbcc6f3480fb8d2410fc84181e180000000c3' },
  { name: 'copyForward', idea: 'rep movs', code: '4889d1f3a4c3' },
  { name: 'fill', idea: 'rep stos', code: '31c0b940000000f348abc3' },
  { name: 'stringLength', idea: 'a loop over bytes', code: '803c0700740548ffc0ebf5c3' },
  { name: 'singleStrings', idea: 'string operations without rep', code: 'acaa84c075fac3' },
  { name: 'readModifyWrite', idea: 'memory as destination', code: '830705fe470448094708f75710c1671402c3' },
  { name: 'locked', idea: 'atomic operations', code: 'f00fc107488757088b068d4801f00fb10e75f5c3' },
  { name: 'doubleLoop', idea: 'a sum of products in doubles', code: 'f20f100cc7f20f590cc6f20f58c148ffc04839d075eac3' },
  { name: 'doubleCompare', idea: 'comparison of doubles and conversion', code: '660f2ec17a0e770cf20f2cc0f20f2ad7f20f51d2c3' },
  { name: 'singles', idea: 'single precision', code: 'f30f1007f30f59c1f30f5ec2f30f5ad8f30f1107c3' },
  { name: 'packedFloats', idea: 'packed doubles and floats', code: '660f2807660f59c1660f58d00f101e0f5cdc0f5fdd660f2917c3' },
  { name: 'packedIntegers', idea: 'packed integers and shuffles', code: 'f30f6f07660f74c1660fd7c0660ffeda660f70e31b660f60e5660f73dc04c3' },
  { name: 'mixedXmm', idea: 'scalar and packed use of one register', code: 'f20f1007660f14c0660f58c1660f7cc0f20f110766480f7ec0c3' },
  { name: 'x87', idea: 'x87 in double precision', code: 'dd07dc0edc4708dd1fc3' },
  { name: 'switchTable', idea: 'a switch by a table of addresses', code: '83ff037713ff24fd40004000b80a000000c3b814000000c331c0c3cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc0c00400000000000120040000000000018004000000000001200400000000000', length: 27 },
  { name: 'virtualCall', idea: 'a call through a pointer', code: '488b07ff501083c001c3' },
  { name: 'nestedLoops', idea: 'a loop in a loop', code: '89d103074883c704ffc975f6ffce75f0c3' },
  { name: 'ifElse', idea: 'two ways that join', code: '40f6c70174068d7c7f01eb02d1efffc083ff0175ebc3' },
  { name: 'systemCall', idea: 'a system call in a loop', code: 'b8270000000f05ffcb75f5c3' },
  { name: 'threadLocal', idea: 'memory off the segment FS', code: '64488b042528000000648b1425fcffffffffc264891425fcffffffc3' },
  { name: 'pushedFlags', idea: 'pushf, popf, lahf', code: '9c5839f79f509dc3' },
  { name: 'codePage', idea: 'relative addresses and far constants', code: '488d05100000008b150001000048b9f0debc9a78563412011504010000c3' },
];
