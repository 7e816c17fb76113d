import { beforeEach, describe, expect, it } from 'vitest';
import { Engine } from '../../webview/engine/engine.ts';
import type { EngineThread } from '../../webview/engine/thread.ts';
import type { PageTables } from '../../webview/engine/mmu/addressSpace.ts';
import { Access, Exit, Pte, Reg, type Cpu } from '../../webview/kernel/cpu.ts';
import { compileSmallInterpreter } from './smallInterpreter.ts';

const module = compileSmallInterpreter();
const CODE = 0x400000, DATA = 0x7fff_0000_0000;
const rw = Pte.read | Pte.write, rx = Pte.read | Pte.exec, rwx = rw | Pte.exec;

let engine: Engine, space: PageTables, thread: EngineThread;

beforeEach(() => {
  engine = new Engine({ module, frames: 256, now: () => 0 });
  space = engine.createAddressSpace()!;
  thread = engine.createThread();
});

function map(address: number, bits: number, into = space): number {
  const frame = engine.frames.allocate();
  expect(into.map(address, frame, bits)).toBe(true);
  return frame;
}

/** Puts bytes into guest memory as a kernel does, or straight into a frame where the guest may not write. */
function poke(address: number, ...bytes: number[]): void {
  bytes.forEach((byte, i) => {
    const at = (space.entry(address + i) >> 6) * 4096 + ((address + i) & 4095);
    engine.frames.bytes[at] = byte;
    engine.frames.written(at >> 12);
  });
}

function run(rip: number, budget = 1000): Exit {
  thread.rip = rip;
  return engine.run(thread, space, budget);
}

const syscall = [0x0f, 0x05];

describe('the processor', () => {
  it('is what the kernel drives', () => {
    const cpu: Cpu = engine;
    expect(cpu.frames.total).toBe(256);
  });

  it('runs to a syscall and leaves rip behind it', () => {
    map(CODE, rx);
    poke(CODE, 0x48, 0x01, 0xd8, ...syscall); // add rax, rbx
    thread.set(Reg.rax, 40);
    thread.set(Reg.rbx, -50);
    expect(run(CODE)).toBe(Exit.syscall);
    expect(thread.getSigned(Reg.rax)).toBe(-10);
    expect(thread.rip).toBe(CODE + 5);
    expect(thread.rflags & 0x8d5).toBe(0x80 | 0x10 | 0x4);
    expect(thread.instructions).toBe(2);
  });

  it('ends an endless loop when the budget is spent, and goes on from there', () => {
    map(CODE, rx);
    poke(CODE, 0x90, 0xeb, 0xfd); // nop; jmp -3
    for (const budget of [1000, 1, 5000]) {
      const before = thread.instructions;
      expect(run(CODE, budget)).toBe(Exit.budget);
      expect(thread.instructions - before).toBeGreaterThanOrEqual(budget);
      expect(thread.instructions - before).toBeLessThan(budget + 3);
      expect(thread.rip).toBe(CODE);
    }
  });

  it('counts the same whether calls leave the page or not', () => {
    map(CODE, rx);
    map(CODE + 4096, rx);
    map(DATA, rw);
    thread.set(Reg.rsp, DATA + 4096);
    poke(CODE, 0xe8, 0xfb, 0x0f, 0, 0, ...syscall); // call CODE + 4096
    poke(CODE + 4096, 0x90, 0xc3);
    expect(run(CODE)).toBe(Exit.syscall);
    expect(thread.instructions).toBe(4);
    expect(thread.get(Reg.rsp)).toBe(DATA + 4096);
  });

  it('raises #UD for what it does not know, with a readable description', () => {
    map(CODE, rx);
    poke(CODE, 0xc5, 0xf9, 0x6f, 0xc1); // vmovdqa xmm0, xmm1
    expect(run(CODE)).toBe(Exit.undefinedInstruction);
    expect(thread.rip).toBe(CODE);
    expect(engine.describeInstruction(thread, space)).toBe('vmovdqa xmm0,xmm1 (c5 f9 6f c1)');
  });

  it('raises #GP for privileged instructions and non-canonical addresses', () => {
    map(CODE, rx);
    poke(CODE, 0xf4, 0x48, 0x8b, 0x00); // hlt; mov rax, [rax]
    expect(run(CODE)).toBe(Exit.generalProtection);
    thread.setHalves(Reg.rax, 0, 0x8000);
    expect(run(CODE + 1)).toBe(Exit.generalProtection);
    expect(engine.faultAddress).toBe(0);
  });

  it('keeps flags and registers of threads apart', () => {
    const other = engine.createThread();
    other.rflags = 0xad7;
    thread.rflags = 0x202;
    other.set(Reg.rax, 7);
    map(CODE, rx);
    poke(CODE, 0x48, 0x01, 0xc0, ...syscall); // add rax, rax
    other.rip = CODE;
    expect(run(CODE)).toBe(Exit.syscall);
    expect(engine.run(other, space, 100)).toBe(Exit.syscall);
    expect([thread.get(Reg.rax), other.get(Reg.rax)]).toEqual([0, 14]);
    thread.copyFrom(other);
    expect(thread.get(Reg.rax)).toBe(14);
    for (let flags = 0; flags < 0x1000; flags++) {
      other.rflags = flags;
      expect(other.rflags).toBe((flags & 0xdd5) | 0x202);
    }
  });

  it('keeps an FXSAVE image', () => {
    const image = Uint8Array.from({ length: 512 }, (_, i) => (i * 7) & 0xff);
    image.fill(0, 416);
    image[5] = 0;
    for (let r = 0; r < 8; r++) image.fill(0, 42 + r * 16, 48 + r * 16);
    image.set([0x7f, 0x03, 0x00, 0x38, 0xff], 0);
    image[7]! &= 7;
    image.set([0x80, 0x1f, 0, 0, 0xff, 0xff, 0, 0], 24);
    thread.loadFpu(image);
    const out = new Uint8Array(512);
    thread.saveFpu(out);
    expect(out).toEqual(image);
  });
});

describe('page tables', () => {
  it('say what was entered', () => {
    const frame = map(DATA, rw);
    expect(space.entry(DATA)).toBe(frame * 64 + rw);
    expect(space.entry(DATA + 4096)).toBe(0);
    space.protect(DATA, 4096, Pte.read);
    expect(space.entry(DATA)).toBe(frame * 64 + Pte.read);
    space.protect(DATA, 4096, 0);
    expect(space.entry(DATA)).toBe(frame * 64);
    expect(space.translate(DATA, false)).toBe(-1);
    space.unmap(DATA, 4096);
    expect(space.entry(DATA)).toBe(0);
  });

  it('give everything back', () => {
    const free = engine.frames.free;
    const child = engine.createAddressSpace()!;
    for (const address of [0x1000, CODE, DATA, 0x7fff_ffff_f000]) map(address, rw, child);
    const copy = engine.createAddressSpace()!;
    expect(child.copyTo(copy, 0, 2 ** 47, false)).toBe(true);
    child.destroy();
    copy.destroy();
    expect(engine.frames.free).toBe(free);
  });

  it('find the next entry over holes of any size', () => {
    for (const address of [0x1000, CODE, DATA, 0x7fff_ffff_f000]) map(address, rw);
    const found = [];
    for (let at = 0; at < 2 ** 47; at += 4096) {
      at = space.nextEntry(at, 2 ** 47);
      if (at < 2 ** 47) found.push(at);
    }
    expect(found).toEqual([0x1000, CODE, DATA, 0x7fff_ffff_f000]);
    expect(space.nextEntry(CODE + 1, DATA)).toBe(DATA);
  });

  it('move entries', () => {
    const frame = map(DATA, rw);
    expect(space.move(DATA, 8192, CODE)).toBe(true);
    expect(space.entry(CODE)).toBe(frame * 64 + rw);
    expect(space.entry(DATA)).toBe(0);
  });

  it('say no when memory is short', () => {
    while (engine.frames.free > 0) engine.frames.allocateDirty();
    expect(engine.frames.allocate()).toBe(0);
    expect(engine.createAddressSpace()).toBeUndefined();
    expect(space.map(DATA, 1, rw)).toBe(false);
  });

  it('hand out zeros, also of used frames', () => {
    const frame = engine.frames.allocate();
    engine.frames.view(frame).fill(7);
    engine.frames.retain(frame);
    engine.frames.release(frame);
    expect(engine.frames.references(frame)).toBe(1);
    engine.frames.release(frame);
    const again = engine.frames.allocate();
    expect(again).toBe(frame);
    expect(engine.frames.view(again).every(byte => byte === 0)).toBe(true);
    engine.frames.release(again);
    expect(() => engine.frames.release(again)).toThrow(/not in use/);
  });
});

describe('guest accesses', () => {
  beforeEach(() => {
    map(CODE, rx);
    poke(CODE, 0x48, 0x8b, 0x03, ...syscall); // mov rax, [rbx]
    poke(CODE + 16, 0x48, 0x89, 0x03, ...syscall); // mov [rbx], rax
    poke(CODE + 32, 0x48, 0x01, 0x03, ...syscall); // add [rbx], rax
    poke(CODE + 48, 0xf3, 0x0f, 0x6f, 0x03, 0xf3, 0x0f, 0x7f, 0x01, ...syscall); // movdqu xmm0, [rbx]; movdqu [rcx], xmm0
  });

  const at = (address: number): number => space.translate(address, false);

  it('fault with address, kind and untouched registers', () => {
    map(DATA, Pte.read);
    const faults: [rip: number, address: number, fault: number, access: Access][] = [
      [CODE, 0, 0, Access.read], [CODE, DATA - 1, DATA - 1, Access.read], [CODE, DATA + 4090, DATA + 4096, Access.read],
      [CODE + 16, DATA + 8, DATA + 8, Access.write], [CODE + 32, DATA + 8, DATA + 8, Access.write], [CODE + 16, DATA - 4, DATA - 4, Access.write],
      [CODE + 48, DATA + 4090, DATA + 4096, Access.read],
    ];
    for (const [rip, address, fault, access] of faults) {
      thread.set(Reg.rbx, address);
      thread.set(Reg.rax, 1234567);
      expect(run(rip)).toBe(Exit.pageFault);
      expect([engine.faultAddress, engine.faultAccess, thread.rip, thread.get(Reg.rax)]).toEqual([fault, access, rip, 1234567]);
    }
  });

  it('reach over a page border', () => {
    map(DATA, rw);
    map(DATA + 4096, rw);
    for (let offset = 4080; offset <= 4096; offset++) {
      thread.set(Reg.rbx, DATA + offset);
      thread.setHalves(Reg.rax, 0x55667788, 0x11223344);
      expect(run(CODE + 16)).toBe(Exit.syscall);
      thread.set(Reg.rax, 2 ** 32);
      expect(run(CODE + 32)).toBe(Exit.syscall);
      thread.set(Reg.rax, 0);
      expect(run(CODE)).toBe(Exit.syscall);
      expect([thread.getInt(Reg.rax) >>> 0, thread.getHigh(Reg.rax)]).toEqual([0x55667788, 0x11223345]);
      thread.set(Reg.rcx, DATA + 4096 - 8);
      expect(run(CODE + 48)).toBe(Exit.syscall);
      const words = engine.frames.words;
      expect(words.getUint32(at(DATA + 4096 - 8), true)).toBe(0x55667788);
    }
  });

  it('write nothing when the second page faults', () => {
    map(DATA, rw);
    thread.set(Reg.rbx, DATA + 4092);
    thread.set(Reg.rax, -1);
    expect(run(CODE + 16)).toBe(Exit.pageFault);
    expect(run(CODE + 32)).toBe(Exit.pageFault);
    expect(engine.frames.words.getUint32(at(DATA + 4092), true)).toBe(0);
  });

  it('see at once what the kernel maps, protects and unmaps', () => {
    map(DATA, rw);
    thread.set(Reg.rbx, DATA);
    expect(run(CODE + 16)).toBe(Exit.syscall);
    space.protect(DATA, 4096, Pte.read);
    expect(run(CODE + 16)).toBe(Exit.pageFault);
    expect(run(CODE)).toBe(Exit.syscall);
    space.unmap(DATA, 4096);
    expect(run(CODE)).toBe(Exit.pageFault);
    const frame = map(DATA, rw);
    engine.frames.view(frame).fill(1);
    expect(run(CODE)).toBe(Exit.syscall);
    expect(thread.getInt(Reg.rax)).toBe(0x01010101);
  });

  it('set accessed and dirty anew after they were cleared', () => {
    const frame = map(DATA, rw);
    thread.set(Reg.rbx, DATA);
    for (let i = 0; i < 2; i++) {
      run(CODE);
      expect(space.entry(DATA)).toBe(frame * 64 + (rw | Pte.accessed));
      run(CODE + 16);
      expect(space.entry(DATA)).toBe(frame * 64 + (rw | Pte.accessed | Pte.dirty));
      space.clearBits(DATA, 4096, Pte.accessed | Pte.dirty);
      expect(space.entry(DATA)).toBe(frame * 64 + rw);
    }
  });

  it('copy on write after fork', () => {
    const frame = map(DATA, rw);
    thread.set(Reg.rbx, DATA);
    thread.set(Reg.rax, 5);
    expect(run(CODE + 16)).toBe(Exit.syscall);
    const child = engine.createAddressSpace()!;
    expect(space.copyTo(child, 0, 2 ** 47, false)).toBe(true);
    expect(engine.frames.references(frame)).toBe(2);
    for (const each of [space, child]) {
      expect(each.entry(DATA) & (Pte.write | Pte.cow)).toBe(Pte.cow);
      each.protect(DATA, 4096, rw);
      expect(each.entry(DATA) & (Pte.write | Pte.cow)).toBe(Pte.cow);
      thread.rip = CODE + 16;
      expect(engine.run(thread, each, 100)).toBe(Exit.pageFault);
    }
    const copy = engine.frames.allocateDirty();
    engine.frames.copy(copy, frame);
    child.map(DATA, copy, rw);
    thread.set(Reg.rax, 6);
    expect(engine.run(thread, child, 100)).toBe(Exit.syscall);
    expect(engine.frames.view(frame)[0]).toBe(5);
    expect(engine.frames.view(copy)[0]).toBe(6);
    expect(engine.frames.references(frame)).toBe(1);
  });
});

describe('code', () => {
  it('may be written right in front of itself', () => {
    map(CODE, rwx);
    // mov [rbx], al; nop: al becomes the opcode of `push rdx`, or stays a nop.
    poke(CODE, 0x88, 0x03, 0x90, ...syscall);
    map(DATA, rw);
    thread.set(Reg.rsp, DATA + 4096);
    thread.set(Reg.rbx, CODE + 2);
    for (const [opcode, sp] of [[0x90, 4096], [0x52, 4088], [0x90, 4088], [0x5a, 4096]] as const) {
      const { decodedInstructions } = engine.statistics;
      thread.set(Reg.rax, opcode);
      expect(run(CODE)).toBe(Exit.syscall);
      expect(thread.get(Reg.rsp)).toBe(DATA + sp);
      expect(thread.rip).toBe(CODE + 5);
      expect(engine.statistics.decodedInstructions).toBeGreaterThan(decodedInstructions);
    }
  });

  it('may be written through another mapping of its frame, and by the kernel', () => {
    const frame = map(CODE, rx);
    engine.frames.retain(frame);
    space.map(DATA, frame, rw);
    poke(CODE, 0x90, ...syscall);
    expect(run(CODE)).toBe(Exit.syscall);
    poke(CODE + 64, 0x88, 0x03, ...syscall);
    thread.set(Reg.rbx, DATA);
    thread.set(Reg.rax, 0xf4); // hlt
    expect(run(CODE + 64)).toBe(Exit.syscall);
    expect(run(CODE)).toBe(Exit.generalProtection);
    engine.frames.bytes[space.translate(DATA, true)] = 0x90;
    expect(run(CODE)).toBe(Exit.syscall);
  });

  it('must be executable', () => {
    map(CODE, rw);
    expect(run(CODE)).toBe(Exit.pageFault);
    expect([engine.faultAddress, engine.faultAccess]).toEqual([CODE, Access.exec]);
    space.protect(CODE, 4096, rx);
    poke(CODE, ...syscall);
    expect(run(CODE)).toBe(Exit.syscall);
    space.protect(CODE, 4096, Pte.read);
    expect(run(CODE)).toBe(Exit.pageFault);
  });

  it('may cross a page, whatever page follows', () => {
    map(CODE, rx);
    const bytes = [0x48, 0x81, 0xc0, 0x11, 0x22, 0x33, 0x04]; // add rax, 0x04332211
    for (let before = 1; before < bytes.length; before++) {
      const at = CODE + 4096 - before;
      poke(CODE + 4096 - 16, ...Array<number>(16).fill(0x90));
      poke(at, ...bytes.slice(0, before));
      space.unmap(CODE + 4096, 4096);
      expect(run(CODE + 4096 - 16)).toBe(Exit.pageFault);
      expect([engine.faultAddress, engine.faultAccess, thread.rip]).toEqual([CODE + 4096, Access.exec, at]);
      for (const last of [0x04, 0x05, 0x06]) {
        map(CODE + 4096, rx);
        poke(CODE + 4096, ...bytes.slice(before, -1), last, ...syscall);
        thread.set(Reg.rax, 0);
        expect(run(CODE + 4096 - 16)).toBe(Exit.syscall);
        expect(thread.get(Reg.rax)).toBe(last * 2 ** 24 + 0x332211);
        expect(run(CODE + 4096 - 16)).toBe(Exit.syscall);
        expect(thread.get(Reg.rax)).toBe(2 * (last * 2 ** 24 + 0x332211));
        // The same frame with other bytes.
        poke(CODE + 4096 + bytes.length - before - 1, last + 16);
        thread.set(Reg.rax, 0);
        expect(run(at)).toBe(Exit.syscall);
        expect(thread.get(Reg.rax)).toBe((last + 16) * 2 ** 24 + 0x332211);
      }
    }
  });

  it('is shared between address spaces', () => {
    const frame = map(CODE, rx);
    poke(CODE, 0x90, 0x90, ...syscall);
    expect(run(CODE)).toBe(Exit.syscall);
    const decoded = engine.statistics.decodedInstructions;
    const other = engine.createAddressSpace()!;
    engine.frames.retain(frame);
    other.map(DATA, frame, rx);
    thread.rip = DATA;
    expect(engine.run(thread, other, 100)).toBe(Exit.syscall);
    expect(thread.rip).toBe(DATA + 4);
    expect(engine.statistics.decodedInstructions).toBe(decoded);
  });

  it('jumps in and out of the middle of instructions', () => {
    map(CODE, rx);
    // 0: jmp 3; 2: (48) 81 c0 ...: from 2 `add rax, imm`, from 3 `add eax, imm`.
    poke(CODE, 0xeb, 0x01, 0x48, 0x81, 0xc0, 0, 0, 0, 0x80, ...syscall);
    thread.set(Reg.rax, 0x80000001);
    expect(run(CODE)).toBe(Exit.syscall);
    expect(thread.get(Reg.rax)).toBe(1);
    expect(run(CODE + 2)).toBe(Exit.syscall);
    expect(thread.getSigned(Reg.rax)).toBe(1 - 2 ** 31);
  });

  it('has addresses with segments, 32 bits and 64-bit offsets', () => {
    map(CODE, rx);
    map(DATA, rw);
    thread.fsBase = DATA;
    poke(CODE, 0x64, 0x48, 0x8b, 0x04, 0x25, 16, 0, 0, 0, ...syscall); // mov rax, fs:[16]
    engine.frames.words.setUint32(space.translate(DATA + 16, true), 99, true);
    expect(run(CODE)).toBe(Exit.syscall);
    expect(thread.get(Reg.rax)).toBe(99);
    poke(CODE, 0x67, 0x8b, 0x03, ...syscall); // mov eax, [ebx]
    thread.setHalves(Reg.rbx, CODE, 77);
    expect(run(CODE)).toBe(Exit.syscall);
    expect(thread.getInt(Reg.rax)).toBe(0x0f038b67);
    poke(CODE, 0x48, 0xa1, 16, 0, 0, 0, 0xff, 0x7f, 0, 0, ...syscall); // movabs rax, [DATA + 16]
    expect(run(CODE)).toBe(Exit.syscall);
    expect(thread.get(Reg.rax)).toBe(99);
    poke(CODE, 0x48, 0x8b, 0x05, 0xf9, 0xff, 0xff, 0xff, ...syscall); // mov rax, [rip - 7]
    expect(run(CODE)).toBe(Exit.syscall);
    expect(thread.getInt(Reg.rax)).toBe(0xf9058b48 | 0);
  });
});
