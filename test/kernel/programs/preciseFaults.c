// Faults in hot code: after 100,000 good turns of a loop one access fails, and all registers, flags and memory must be those of that very
// instruction. Also jumps into the middle of instructions, and code that overlaps.
#define _GNU_SOURCE
#include "check.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ucontext.h>

static sigjmp_buf back;
static char *page, *name;  // two pages that can be written, one that can only be read, one that isn't there
static char *code, *frame;
static const int order[] = {REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI, REG_RDI, REG_RBP, REG_R8, REG_R9, REG_R10, REG_R11};

// An address in the pages, a place in the code or on the stack, or a number.
static const char *shown(long long value) {
  static char texts[32][40];
  static int next;
  char *text = texts[next++ & 31];
  long offset = (char *)value - page, place = (char *)value - code, depth = (char *)value - frame;
  if (offset >= -4096 && offset < 32768) sprintf(text, "page%+ld", offset);
  else if (place >= 0 && place < 1024) sprintf(text, "code%+ld", place);
  else if (depth > -1024 && depth < 1024) sprintf(text, "frame%+ld", depth);
  else sprintf(text, "%llx", value);
  return text;
}

static char altStack[65536];

static void fault(int signal, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  greg_t *r = uc->uc_mcontext.gregs;
  printf("%s: signal %d code %d at %s, rip %s, rsp %s, flags %llx, error %llx:", name, signal, info->si_code, signal == SIGFPE || signal == SIGILL ? "" : shown((long)info->si_addr),
      shown(r[REG_RIP]), shown(r[REG_RSP]), r[REG_EFL] & 0xcd5, r[REG_TRAPNO] == 14 ? r[REG_ERR] & 18 : 0);
  for (int i = 0; i < 11; i++) printf(" %s", shown(r[order[i]]));
  printf(" xmm %x %x\n", uc->uc_mcontext.fpregs->_xmm[1].element[0], uc->uc_mcontext.fpregs->_xmm[2].element[3]);
  unsigned sum = 0;
  for (int i = 0; i < 12288; i++) sum = sum * 31 + (unsigned char)page[i];
  say("  memory %x", sum);
  siglongjmp(back, 1);
}

// Code with rdi: the pages, rsi: turns, r8: what is added to rdi in the last turn. rax, rcx, rdx, rbx, r9 to r11 and rbp are free.
#define BODY(label, text) \
  void label(); \
  __asm__(".text\n.p2align 6\n" #label ":\n pushq %rbx\n pushq %rbp\n movq %rsp, %r11\n movq %rdx, %r8\n xorl %eax, %eax\n xorl %ebx, %ebx\n xorl %ebp, %ebp\n movl $7, %r9d\n xorl %ecx, %ecx\n xorl %edx, %edx\n" \
    " movl $3, %r10d\n movd %r10d, %xmm1\n movd %r10d, %xmm2\n cld\n" \
    "1: decl %esi\n jnz 2f\n addq %r8, %rdi\n2: addl $3, %eax\n" text "\n testl %esi, %esi\n jnz 1b\n movq %r11, %rsp\n popq %rbp\n popq %rbx\n ret\n");

BODY(load, "addl %eax, %ebx\n movq (%rdi), %rdx\n addq %rdx, %rbx")
BODY(store, "cmpl $100, %eax\n movl %eax, 8(%rdi)\n incl %ebx")
BODY(add, "stc\n adcl %eax, 8(%rdi)\n incl %ebx")
BODY(exchange, "cmpl $9, %eax\n movl %eax, %edx\n xchgl %edx, (%rdi)\n xorl %ebx, %edx")
BODY(compareExchange, "movl %eax, %ebx\n movl (%rdi), %eax\n addl $1, %eax\n lock cmpxchgl %ebx, (%rdi)\n movl %ebx, %eax")
BODY(exchangeAdd, "movl $5, %edx\n lock xaddl %edx, (%rdi)\n addl %edx, %ebx")
BODY(pushMemory, "movq %rdi, %rsp\n addq $64, %rsp\n cmpl $77, %eax\n pushq %rax\n pushq 8(%rdi)\n popq %rbx\n movq %r11, %rsp")
BODY(callsThere, "movq %rdi, %rsp\n addq $64, %rsp\n cmpl $77, %eax\n call 7f\n jmp 8f\n7: ret\n8: movq %r11, %rsp")
BODY(popsMemory, "movq %rdi, %rsp\n pushq %rax\n popq (%rdi)\n movq %r11, %rsp")
BODY(leaves, "movq %rdi, %rbp\n leave\n movq %r11, %rsp")
BODY(enters, "movq %rdi, %rsp\n addq $64, %rsp\n enter $16, $0\n movq %r11, %rsp\n xorl %ebp, %ebp")
BODY(moves, "movq %rdi, %rdx\n movq %rsi, %r9\n leaq 512(%rdi), %rdi\n movq %rdx, %rsi\n movl $40, %ecx\n cmpl $5, %eax\n rep movsq\n movq %rdx, %rdi\n movq %r9, %rsi")
BODY(movesDown, "movq %rdi, %rdx\n movq %rsi, %r9\n leaq 1024(%rdi), %rsi\n movl $40, %ecx\n std\n rep movsb\n cld\n movq %rdx, %rdi\n movq %r9, %rsi")
BODY(fills, "movq %rdi, %rdx\n movl $100, %ecx\n rep stosl\n movq %rdx, %rdi")
BODY(scans, "movq %rdi, %rdx\n movl $1000, %ecx\n movb $0xfe, %al\n repne scasb\n movq %rdx, %rdi")
BODY(single, "movq %rdi, %rdx\n stosl\n movq %rdx, %rdi")
BODY(aligned, "cmpl $1, %eax\n movaps (%rdi), %xmm1\n addps (%rdi), %xmm2")
BODY(alignedStore, "movd %eax, %xmm1\n movapd %xmm1, 16(%rdi)")
BODY(unaligned, "movd %eax, %xmm1\n movups (%rdi), %xmm2\n paddd %xmm2, %xmm1\n movups %xmm1, 1(%rdi)")
BODY(crossing, "cmpl $9, %eax\n movq %rax, (%rdi)\n movl 4(%rdi), %ebx")
BODY(doubles, "cvtsi2sdl %eax, %xmm1\n addsd (%rdi), %xmm1\n movsd %xmm1, 24(%rdi)")
BODY(wide, "movl %eax, %ebx\n fildl (%rdi)\n fistpll 8(%rdi)\n incl %ebx")
BODY(divides, "movl %esi, %ecx\n shrl $1, %ecx\n addl $1, %edx\n xorl %edx, %edx\n movl %eax, %ebx\n cmpl $55, %eax\n idivl %ecx\n movl %ebx, %eax")
BODY(chained, "movl %eax, 64(%rdi)\n movl %eax, 72(%rdi)\n incl %ebx\n movl 80(%rdi), %edx\n movl %ebx, 4000(%rdi)\n movl %eax, 88(%rdi)")
BODY(indexed, "movl %esi, %ecx\n andl $7, %ecx\n movl 16(%rdi,%rcx,8), %edx\n addl %edx, %ebx\n movl %ebx, 24(%rdi,%rcx,8)\n incl %eax")
BODY(conditional, "testb $1, %al\n cmovel (%rdi), %edx\n setc 9(%rdi)\n sbbl %ebx, %ebx\n bts %eax, 16(%rdi)")
BODY(jumpsThere, "leaq 7f(%rip), %rdx\n testl %esi, %esi\n cmove %rdi, %rdx\n cmpl $6, %eax\n jmp *%rdx\n7: incl %ebx")
BODY(callsPointer, "leaq 7f(%rip), %rdx\n testl %esi, %esi\n cmove %rdi, %rdx\n cmpl $6, %eax\n call *%rdx\n jmp 8f\n7: incl %ebx\n ret\n8:")
BODY(invalid, "cmpl $1, %esi\n jae 7f\n ud2\n7: incl %ebx")

static void each(char *title, void (*body)(), long start, long last) {
  name = title;
  code = (char *)body;
  frame = __builtin_frame_address(0);
  for (int i = 0; i < 8192; i++) page[i] = i % 251;
  for (int i = 0; i < 8192; i += 8) ((int *)(page + i))[1] = i;
  if (!sigsetjmp(back, 1)) {
    ((void (*)(char *, long, long))body)(page + start, 100000, last - start);
    say("%s: no fault", title);
  }
}

// Every way across a border: into the read-only page, into the missing one, backwards.
static void around(char *title, void (*body)()) {
  static const long places[] = {8192 - 4, 8192 - 64, 8192, 12288 - 4, 12288 + 8, -72};
  for (int i = 0; i < 6; i++) each(title, body, 1024, places[i]);
}

extern char middle[];
__asm__(".text\n.p2align 4\nmiddle:\n"
        "xorl %eax, %eax\n"
        // jumps into its own immediate: eb ff c0 is jmp -1 over inc eax
        "1: .byte 0xeb, 0xff, 0xc0\n"
        // mov eax, imm32 whose immediate is: add edx, 1; nop
        "movl %edi, %ecx\n xorl %edx, %edx\n"
        "2: .byte 0xb8\n3: .byte 0x83, 0xc2, 0x01, 0x90\n"
        "decl %ecx\n jz 4f\n testb $1, %cl\n jnz 2b\n jmp 3b\n"
        "4: leal (%rax,%rdx), %eax\n ret\n");

extern char overlapping[];
// Two readings of the same bytes, both hot: from `a` an add with an immediate, from one byte further other instructions.
__asm__(".text\n.p2align 4\noverlapping:\n"
        "xorl %eax, %eax\n xorl %edx, %edx\n leaq 2f(%rip), %rcx\n leaq 3f(%rip), %rsi\n"
        "1: xchgq %rcx, %rsi\n jmp *%rcx\n"
        "2: .byte 0x05\n"                               // add eax, 0x90d2ff90 | nop; inc edx; nop...
        "3: .byte 0x90, 0xff, 0xc2, 0x90\n"
        "decl %edi\n jnz 1b\n"
        "addl %edx, %eax\n ret\n");

int main(void) {
  page = mmap((void *)0x20000000, 16384 + 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) + 4096;
  mprotect(page, 8192, PROT_READ | PROT_WRITE);
  mprotect(page + 8192, 4096, PROT_READ);
  munmap(page + 12288, 4096);
  sigaltstack(&(stack_t){.ss_sp = altStack, .ss_size = sizeof altStack}, 0);
  struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaction(SIGSEGV, &action, 0);
  sigaction(SIGBUS, &action, 0);
  sigaction(SIGILL, &action, 0);
  sigaction(SIGFPE, &action, 0);
#define AROUND(body) around(#body, body)
  AROUND(load);
  AROUND(store);
  AROUND(add);
  AROUND(exchange);
  AROUND(compareExchange);
  AROUND(exchangeAdd);
  AROUND(pushMemory);
  AROUND(callsThere);
  AROUND(popsMemory);
  AROUND(leaves);
  AROUND(enters);
  AROUND(moves);
  AROUND(movesDown);
  AROUND(fills);
  AROUND(scans);
  AROUND(single);
  AROUND(unaligned);
  AROUND(crossing);
  AROUND(doubles);
  AROUND(wide);
  AROUND(chained);
  AROUND(indexed);
  AROUND(conditional);
  AROUND(jumpsThere);
  AROUND(callsPointer);
  each("aligned", aligned, 1024, 1028);
  each("aligned", aligned, 1024, 8192 - 8);
  each("aligned", aligned, 1024, 12288);
  each("alignedStore", alignedStore, 1024, 1025);
  each("alignedStore", alignedStore, 1024, 8192 - 16);
  each("divides", divides, 1024, 1024);
  each("invalid", invalid, 1024, 1024);
  say("middle %ld", ((long (*)(long))middle)(200001));
  say("overlapping %ld", ((long (*)(long))overlapping)(200000));
  return 0;
}
