/**
 * mmu/: physical frames, page tables and the TLB. This file: the part in WebAssembly, which runs on a TLB miss: the page walk, accesses
 * that cross a page, stores to frames that hold decoded code.
 */
import { load32, load64, callValue, type Callable, type Code } from '../wasm/code.ts';
import type { ModuleBuilder } from '../wasm/module.ts';
import { I32, I64, select } from '../wasm/values.ts';
import { CodeTlb, ExitCode, FRAME_TABLES, PageTable, PteBit, Run, Tlb, TlbLog } from '../state.ts';

/** The MMU's functions, by the names of semantics/contract.ts MemoryHelper where helpers use them. */
export interface TranslateFunctions {
  readonly walk: Callable<'i32'>;
  readonly translate: Callable<'i32'>;
  readonly storeSlow: Callable<'i32'>;
  readonly storeSlowV128: Callable<'i32'>;
  readonly codeFrame: Callable<'i32'>;
  readonly findCode: Callable<'i32'>;
}

/**
 * Adds the functions. `codeWritten(frame, offset, size)` is called before a store to a frame that holds decoded code, or any while
 * Run.watchStores says so; it drops what is touched.
 */
export function defineTranslate(module: ModuleBuilder, codeWritten: Callable<undefined>): TranslateFunctions {
  const walk = module.function('walk', ['i64'], 'i32', writeWalk);
  const page = module.function('page', ['i64', 'i32', 'i32'], 'i32', code => writePage(code, walk, codeWritten));
  const translate = module.function('translate', ['i64', 'i32', 'i32'], 'i32', code => writeTranslate(code, page));
  const storeSlow = module.function('storeSlow', ['i64', 'i64', 'i32'], 'i32', code => writeStoreSlow(code, page));
  const storeSlowV128 = module.function('storeSlowV128', ['i64', 'v128'], 'i32', code => {
    code.storeV128(Run.bounce + 16, code.parameter(1, 'v128'));
    writeStoreBounced(code, page, I32.of(16), Run.bounce + 16);
  });
  const codeFrame = module.function('codeFrame', ['i64'], 'i32', code => writeCodeFrame(code, walk));
  const findCode = module.function('findCode', ['i64'], 'i32', code => writeFindCode(code, codeFrame));
  return { walk, translate, storeSlow, storeSlowV128, codeFrame, findCode };
}

/** (address) -> host address of its page table entry, or 0. */
function writeWalk(code: Code): void {
  const address = code.parameter(0, 'i64');
  code.if(address.shrU(PageTable.addressBits).ne(0), () => code.return(I32.of(0)));
  const index = (shift: number, mask: number): I32 => address.shrU(shift).toI32().and(mask).shl(2);
  const table = code.variable(load32(load32(Run.root).shl(12).add(index(PageTable.rootShift, 31))));
  for (const shift of PageTable.shifts.slice(0, 2)) {
    code.if(table.value.eqz(), () => code.return(I32.of(0)));
    code.set(table, load32(table.value.shl(12).add(index(shift, PageTable.mask))));
  }
  code.if(table.value.eqz(), () => code.return(I32.of(0)));
  code.return(table.value.shl(12).add(index(PageTable.shifts[2], PageTable.mask)));
}

/** (address, size, write) -> host address of that byte, or -1 with the fault noted; `size` bytes lie in the page. Fills the TLB. */
function writePage(code: Code, walk: Callable<'i32'>, codeWritten: Callable<undefined>): void {
  const address = code.parameter(0, 'i64'), size = code.parameter(1, 'i32'), write = code.parameter(2, 'i32');
  code.store32(Run.tlbMisses, load32(Run.tlbMisses).add(1));
  const place = code.let(callValue(walk, address));
  const entry = code.variable(I32.of(0));
  code.if(place, () => code.set(entry, load32(place)));
  const anyAccess = PteBit.read | PteBit.write | PteBit.exec;
  const allowed = entry.value.and(I32.of(PteBit.write).sub(write.eqz().mul(PteBit.write - anyAccess))).ne(0);
  code.if(entry.value.and(PteBit.present).eqz().or(allowed.eqz()), () => {
    noteFault(code, address, write);
    code.return(I32.of(-1));
  });
  code.set(entry, entry.value.or(PteBit.accessed).or(write.shl(4))); // write << 4 is PteBit.dirty
  code.store32(place, entry.value);
  const frame = code.let(entry.value.shrU(12));
  const table = (): I32 => load32(frame.shl(2), FRAME_TABLES);
  const watched = code.let(load32(Run.watchStores));
  code.if(write, () => code.if(table().or(watched), () => code.call(codeWritten, frame, address.toI32().and(4095), size)));
  const slot = code.let(tlbSlot(address));
  const tag = code.let(address.and(-4096));
  code.if(load64(slot, Tlb.base + Tlb.readTag).eq(-1), () => {
    const used = code.let(load32(TlbLog.base));
    code.if(used.ltU(TlbLog.entries), () => {
      code.store32(used.shl(2), slot, TlbLog.base + 4);
      code.store32(TlbLog.base, used.add(1));
    });
  });
  code.store64(slot, tag, Tlb.base + Tlb.readTag);
  // A page that was written before and holds no code can be written without a second miss.
  const isWritten = entry.value.and(PteBit.write | PteBit.dirty).eq(PteBit.write | PteBit.dirty), isSeen = write.or(watched.eqz());
  const writable = isWritten.and(table().eqz()).and(isSeen);
  code.if(writable, () => code.store64(slot, tag, Tlb.base + Tlb.writeTag), () => code.store64(slot, I64.of(-1), Tlb.base + Tlb.writeTag));
  code.store32(slot, frame.shl(12).sub(tag.toI32()), Tlb.base + Tlb.addend);
  code.return(frame.shl(12).or(address.toI32().and(4095)));
}

/** A non-canonical address is #GP(0), everything else a page fault. */
function noteFault(code: Code, address: I64, access: I32): void {
  const top = address.shrS(PageTable.addressBits);
  code.if(top.add(1).shrU(1).ne(0), () => {
    code.store32(Run.exit, ExitCode.generalProtection);
    code.store64(Run.faultAddress, 0);
  }, () => {
    code.store32(Run.exit, ExitCode.pageFault);
    code.store64(Run.faultAddress, address);
  });
  code.store32(Run.faultAccess, access);
}

/** (address, size, write) -> host address of the bytes; of the bounce buffer with a copy of them if they cross a page; or -1. */
function writeTranslate(code: Code, page: Callable<'i32'>): void {
  const address = code.parameter(0, 'i64'), size = code.parameter(1, 'i32'), write = code.parameter(2, 'i32');
  const room = code.let(I32.of(4096).sub(address.toI32().and(4095)));
  const first = code.let(callValue(page, address, select(size.ltU(room), size, room), write));
  code.if(first.eq(-1), () => code.return(I32.of(-1)));
  code.if(size.leU(room), () => code.return(first));
  const second = code.let(callValue(page, address.add(room.toI64U()), size.sub(room), write));
  code.if(second.eq(-1), () => code.return(I32.of(-1)));
  code.copy(I32.of(Run.bounce), first, room);
  code.copy(I32.of(Run.bounce).add(room), second, size.sub(room));
  code.return(I32.of(Run.bounce));
}

/** (address, value, size) -> 0, or -1. */
function writeStoreSlow(code: Code, page: Callable<'i32'>): void {
  code.store64(Run.bounce + 16, code.parameter(1, 'i64'));
  writeStoreBounced(code, page, code.parameter(2, 'i32'), Run.bounce + 16);
}

/** Copies `size` bytes from `from` to the guest address in parameter 0; nothing is written unless all can be. */
function writeStoreBounced(code: Code, page: Callable<'i32'>, size: I32, from: number): void {
  const address = code.parameter(0, 'i64');
  const room = code.let(I32.of(4096).sub(address.toI32().and(4095)));
  const first = code.let(callValue(page, address, select(size.ltU(room), size, room), I32.of(1)));
  code.if(first.eq(-1), () => code.return(I32.of(-1)));
  code.if(size.leU(room), () => {
    code.copy(first, I32.of(from), size);
    code.return(I32.of(0));
  });
  const second = code.let(callValue(page, address.add(room.toI64U()), size.sub(room), I32.of(1)));
  code.if(second.eq(-1), () => code.return(I32.of(-1)));
  code.copy(first, I32.of(from), room);
  code.copy(second, I32.of(from).add(room), size.sub(room));
  code.return(I32.of(0));
}

/** (address) -> frame behind an executable page, or 0 with the fault noted. */
function writeCodeFrame(code: Code, walk: Callable<'i32'>): void {
  const address = code.parameter(0, 'i64');
  const place = code.let(callValue(walk, address));
  const entry = code.variable(I32.of(0));
  code.if(place, () => code.set(entry, load32(place)));
  code.if(entry.value.and(PteBit.present | PteBit.exec).ne(PteBit.present | PteBit.exec), () => {
    noteFault(code, address, I32.of(2));
    code.return(I32.of(0));
  });
  code.store32(place, entry.value.or(PteBit.accessed));
  code.return(entry.value.shrU(12));
}

/** (address) -> record of the instruction there, or 0 with the exit noted: a fault, or that it has to be decoded. Fills the code TLB. */
function writeFindCode(code: Code, codeFrame: Callable<'i32'>): void {
  const address = code.parameter(0, 'i64');
  const frame = code.let(callValue(codeFrame, address));
  code.if(frame.eqz(), () => code.return(I32.of(0)));
  code.store32(Run.exit, ExitCode.decode);
  const table = code.let(load32(frame.shl(2), FRAME_TABLES));
  code.if(table.eqz(), () => code.return(I32.of(0)));
  const slot = code.let(codeTlbSlot(address));
  code.store64(slot, address.and(-4096), CodeTlb.base + CodeTlb.tag);
  code.store32(slot, table, CodeTlb.base + CodeTlb.table);
  code.return(load32(table.add(address.toI32().and(4095).shl(2))));
}

/** Offset of the code TLB entry for an address. */
export function codeTlbSlot(address: I64): I32 {
  return address.toI32().shrU(8).and((CodeTlb.entries - 1) * CodeTlb.entrySize);
}

/** The inline check of an access: 1 if the TLB has all `size` bytes for it. `slot` is the entry's offset, pinned. */
export function tlbHit(address: I64, slot: I32, size: number, write: boolean): I32 {
  const tag = load64(slot, Tlb.base + (write ? Tlb.writeTag : Tlb.readTag));
  return tag.eq((size > 1 ? address.add(size - 1) : address).and(-4096));
}

/** Offset of the TLB entry for an address. */
export function tlbSlot(address: I64): I32 {
  return address.toI32().shrU(7).and((Tlb.entries - 1) * Tlb.entrySize);
}
