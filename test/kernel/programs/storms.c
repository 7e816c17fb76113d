// Signals wherever they fall: timers that never rest while a loop keeps values in every register, the flags, xmm and x87; handlers on
// another stack that change all of those; registers changed through the ucontext; a signal behind each single instruction.
#define _GNU_SOURCE
#include "check.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/ucontext.h>
#include <unistd.h>

static volatile int signals, wrong;
static char stack[65536];
static volatile double noise = 1.5;

static void interrupt(int signal, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  char here;
  signals++;
  if (&here < stack || &here >= stack + sizeof stack) wrong |= 1;
  if ((uc->uc_mcontext.gregs[REG_EFL] & 0x202) != 0x202) wrong |= 2;
  if (info->si_signo != signal) wrong |= 4;
  unsigned long flags;
  __asm__ volatile("pushfq\n popq %0" : "=r"(flags));
  if (flags & 0x500) wrong |= 8;  // DF and TF are clear in a handler
  for (int i = 0; i < 5; i++) noise = noise * 1.25 + 0.1L * i;
  __asm__ volatile("pcmpeqd %%xmm0, %%xmm0\n movaps %%xmm0, %%xmm1\n movaps %%xmm0, %%xmm7\n movaps %%xmm0, %%xmm15\n fninit\n fldpi\n fld1\n xorl %%r8d, %%r8d\n stc\n std\n cld\n movq $-1, %%r9\n movq $-1, %%r10\n movq $-1, %%r11"
                   : : : "xmm0", "xmm1", "xmm7", "xmm15", "r8", "r9", "r10", "r11", "cc", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)");
}

// Mixes all registers for `turns` turns; what it gives depends on each of them and on the flags.
long mix(long turns, void *memory);
__asm__(".text\n.p2align 6\nmix:\n"
        "pushq %rbx\n pushq %rbp\n pushq %r12\n pushq %r13\n pushq %r14\n pushq %r15\n"
        "movl $1, %eax\n movl $2, %ebx\n movl $3, %ecx\n movl $4, %edx\n movl $5, %ebp\n movl $6, %r8d\n movl $7, %r9d\n movl $8, %r10d\n movl $9, %r11d\n"
        "movl $10, %r12d\n movl $11, %r13d\n movl $12, %r14d\n movl $13, %r15d\n"
        "cvtsi2sd %eax, %xmm0\n cvtsi2sd %ebx, %xmm1\n movq %rcx, %xmm7\n movq %rdx, %xmm15\n fld1\n fldl2e\n clc\n"
        "1: adcq %r15, %rax\n adcq %rax, %rbx\n rclq $3, %rcx\n sbbq %rbx, %rdx\n imulq $0x1234567, %rdx, %rbp\n setc %r8b\n addb %bl, %ah\n"
        "adcq %rbp, %r9\n rolq %cl, %r10\n cmovbq %rdx, %r11\n pushq %r11\n addsd %xmm1, %xmm0\n popq %r12\n pushfq\n xorq %r12, %r13\n popfq\n sbbq %r13, %r14\n"
        "movq %r14, %xmm7\n paddq %xmm7, %xmm15\n movq %xmm15, %r15\n movq %rax, (%rsi)\n adcq 8(%rsi), %r15\n movq %r15, 8(%rsi)\n fadd %st(1), %st(0)\n"
        "std\n cld\n leaq -1(%rdi), %rdi\n incq %rbx\n testq %rdi, %rdi\n jnz 1b\n"
        "movq %xmm0, %rdx\n fistpll (%rsi)\n fstp %st(0)\n xorq %rbx, %rax\n addq %rcx, %rax\n xorq %rdx, %rax\n addq %r8, %rax\n xorq %r9, %rax\n addq %r10, %rax\n"
        "xorq %r11, %rax\n addq %r12, %rax\n xorq %r13, %rax\n addq %r14, %rax\n xorq %r15, %rax\n addq (%rsi), %rax\n addq 8(%rsi), %rax\n"
        "popq %r15\n popq %r14\n popq %r13\n popq %r12\n popq %rbp\n popq %rbx\n ret\n");

static long calm(long turns) {
  long memory[2] = {0, 77};
  return mix(turns, memory);
}

static const int enough = 40;

// Repeats until enough signals have come.
static void under(const char *name, int which, int signal, int flags, int microseconds) {
  struct sigaction action = {.sa_sigaction = interrupt, .sa_flags = SA_SIGINFO | SA_ONSTACK | flags};
  sigaction(signal, &action, 0);
  long expected = calm(20000);
  signals = wrong = 0;
  struct itimerval timer = {{0, microseconds}, {0, microseconds}}, none = {{0, 0}, {0, 0}};
  setitimer(which, &timer, 0);
  int differ = 0;
  for (int i = 0; i < 20000 && signals < enough; i++) if (calm(20000) != expected) differ++;
  setitimer(which, &none, 0);
  say("%s: %d differ, wrong %d, enough %d", name, differ, wrong, signals >= enough);
}

static long stepped(long turns) {
  long memory[2] = {0, 77};
  long result;
  __asm__ volatile("subq $128, %%rsp\n pushfq\n orl $0x100, (%%rsp)\n popfq\n call mix\n pushfq\n andl $~0x100, (%%rsp)\n popfq\n addq $128, %%rsp"
                   : "=a"(result), "+D"(turns) : "S"(memory) : "rcx", "rdx", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm7", "xmm15", "memory", "cc", "st", "st(1)");
  return result;
}

// A handler that changes what a loop counts with.
static volatile long pushed;
static void change(int signal, siginfo_t *info, void *context) {
  greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
  signals++;
  if (r[REG_RBX] != 0x1234) return;
  r[REG_RBX] = 0x4321;
  r[REG_EFL] |= 0x801;
  r[REG_R15] = 0x5555555555555555;
  ((ucontext_t *)context)->uc_mcontext.fpregs->_xmm[5].element[1] = 99;
}

static void changed(void) {
  struct sigaction action = {.sa_sigaction = change, .sa_flags = SA_SIGINFO};
  sigaction(SIGALRM, &action, 0);
  struct itimerval timer = {{0, 0}, {0, 2000}};
  setitimer(ITIMER_REAL, &timer, 0);
  long rbx = 0x1234, r15, flags;
  int lane;
  __asm__ volatile("pxor %%xmm5, %%xmm5\n xorl %%r15d, %%r15d\n1: cmpq $0x4321, %%rbx\n jne 1b\n pextrd $1, %%xmm5, %1\n movq %%r15, %2"
                   : "+b"(rbx), "=r"(lane), "=r"(r15) : : "xmm5", "r15", "cc");
  say("changed: %lx %d %lx", rbx, lane, r15);
  // The flags: a loop whose body leaves CF alone.
  timer.it_value.tv_usec = 2000;
  setitimer(ITIMER_REAL, &timer, 0);
  rbx = 0x1234;
  __asm__ volatile("clc\n1: leaq (%%rbx), %%rcx\n jnc 1b\n pushfq\n popq %1" : "+b"(rbx), "=r"(flags) : : "rcx", "cc");
  say("by the flags: %lx %lx", rbx, flags & 0x801);
}

int main(void) {
  sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, 0);
  say("%lx %lx", calm(1000), calm(100000));
  under("real", ITIMER_REAL, SIGALRM, 0, 200);
  under("real, nested", ITIMER_REAL, SIGALRM, SA_NODEFER, 1000);
  under("virtual", ITIMER_VIRTUAL, SIGVTALRM, 0, 500);
  struct sigaction action = {.sa_sigaction = interrupt, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaction(SIGTRAP, &action, 0);
  signals = wrong = 0;
  long expected = calm(300), result = stepped(300);
  say("each instruction: %d, %d signals, wrong %d", result == expected, signals, wrong);
  changed();
  return 0;
}
