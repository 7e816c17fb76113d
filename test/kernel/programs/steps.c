// Single steps by TF, without ptrace: SIGTRAP behind each instruction, with rip and flags as the processor shows them.
#define _GNU_SOURCE
#include "check.h"
#include <signal.h>
#include <sys/mman.h>
#include <sys/ucontext.h>
#include <sys/wait.h>

#define TF 0x100

struct step {
  long rip;
  unsigned long rax, rcx, rsi, rdi;
  int signal, code, atRip, tf, flags;
};
static struct step steps[4096];
static volatile int count, limit;
static char *base;
// What a handler does besides.
static long skip;

static void stepped(int signal, siginfo_t *info, void *context) {
  greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
  unsigned long inside;
  __asm__ volatile("pushfq\n popq %0" : "=r"(inside));
  if (count < 4096) {
    steps[count] = (struct step){.rip = (char *)r[REG_RIP] - base, .rax = r[REG_RAX], .rcx = r[REG_RCX], .rsi = r[REG_RSI], .rdi = r[REG_RDI],
      .signal = signal, .code = info->si_code, .atRip = info->si_addr == (void *)r[REG_RIP], .tf = (r[REG_EFL] & TF) != 0, .flags = r[REG_EFL] & 0xcd5};
  }
  count++;
  if (inside & TF) say("TF in a handler");
  if (count == limit) r[REG_EFL] &= ~TF;
  if (signal == SIGILL || signal == SIGSEGV) r[REG_RIP] += skip;
}

static void handle(int signal, int flags) {
  struct sigaction action = {.sa_sigaction = stepped, .sa_flags = flags | SA_SIGINFO};
  sigaction(signal, &action, 0);
}

// Runs `code` and tells where it was stopped. rdi and rsi are what it gets.
static void run(const char *name, void (*code)(), void *rdi, void *rsi) {
  base = (char *)code;
  count = 0;
  // With the same flags everywhere.
  __asm__ volatile("xorl %%eax, %%eax\n call *%0" : : "b"(code), "D"(rdi), "S"(rsi) : "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "xmm0", "memory", "cc");
  int n = count;
  say("%s: %d", name, n);
  for (int i = 0; i < n && i < 40; i++) {
    struct step *s = &steps[i];
    say("  %ld signal %d code %d%s%s flags %x", s->rip, s->signal, s->code, s->atRip ? "" : " elsewhere", s->tf ? " TF" : "", s->flags);
  }
}

#define ON "pushfq\n orl $0x100, (%rsp)\n popfq\n"
#define OFF "pushfq\n andl $~0x100, (%rsp)\n popfq\n"
#define CODE(name, text) void name(); __asm__(".text\n.p2align 4\n" #name ":\n" text "\n ret\n");

CODE(straight, "xorl %eax, %eax\n" ON "nop\n movl $5, %eax\n addl $0x7fffffff, %eax\n incq %rax\n movq %rax, -64(%rsp)\n movq -64(%rsp), %rcx\n subl %ecx, %ecx\n" OFF "nop\n nop")
CODE(branches, "xorl %eax, %eax\n" ON "jmp 1f\n nop\n1: testl %eax, %eax\n je 2f\n nop\n2: jne 1b\n call 3f\n jmp 4f\n3: leaq 5f(%rip), %rdx\n ret\n4: jmp *%rdx\n nop\n5: movl $2, %ecx\n6: loop 6b\n jrcxz 7f\n nop\n7:\n" OFF)
CODE(shown, ON "pushfq\n popq %rax\n andl $0x100, %eax\n pushfq\n popq %rcx\n" OFF "pushfq\n popq %rdx\n shlq $32, %rax\n andl $0x100, %edx\n orq %rdx, %rax")
CODE(copies, "movl $3, %ecx\n cld\n" ON "rep movsb\n movl $0, %ecx\n rep movsb\n movl $2, %ecx\n rep stosq\n movl $1, %ecx\n rep stosb\n" OFF)
CODE(compares, "movl $5, %ecx\n cld\n" ON "repe cmpsb\n movl $4, %ecx\n movb $9, %al\n repne scasb\n movl $2, %ecx\n rep lodsb\n" OFF)
CODE(narrowCopies, "movl $3, %ecx\n cld\n" ON "addr32 rep movsb\n nop\n" OFF)
CODE(calls, "movl $39, %eax\n" ON "nop\n syscall\n nop\n movq %r11, %rdx\n andl $0x100, %edx\n" OFF "movl %edx, %eax")
CODE(twoCalls, "movl $39, %eax\n" ON "syscall\n movl $39, %eax\n syscall\n" OFF)
CODE(breaks, ON "nop\n int3\n nop\n" OFF)
CODE(invalid, ON "nop\n ud2\n nop\n" OFF)
CODE(divides, "movl $1, %eax\n" ON "movb $7, (%rdi)\n movb $8, 4096(%rsi)\n nop\n" OFF)
CODE(twiceOn, ON ON "nop\n" OFF)
CODE(plain, "nop\n nop\n nop\n nop\n nop\n nop\n")
CODE(vectors, ON "pxor %xmm0, %xmm0\n movups %xmm0, -64(%rsp)\n fldz\n fstp %st(0)\n cvtsi2sd %eax, %xmm0\n" OFF)
CODE(returns, "movl %ss, %eax\n movq %rsp, %rdx\n pushq %rax\n pushq %rdx\n pushfq\n orl $0x100, (%rsp)\n movl %cs, %eax\n pushq %rax\n leaq 1f(%rip), %rax\n pushq %rax\n iretq\n nop\n1: nop\n nop\n" OFF)
CODE(locked, "movq $0, -64(%rsp)\n" ON "lock incl -64(%rsp)\n xchgl %eax, -64(%rsp)\n leaveq_:\n nop\n" OFF)
CODE(changes, ON "movb $0x40, 1f+0(%rip)\n nop\n1: nop\n nop\n" OFF)

// A loop that runs without TF for long, then with it: rax counts.
CODE(loops, "xorl %eax, %eax\n1: incl %eax\n cmpl %edi, %eax\n jne 1b\n" ON "2: incl %eax\n leal -1(%rsi), %esi\n testl %esi, %esi\n jne 2b\n" OFF)
// TF comes while code is hot: r8 is or-ed into the flags each time.
CODE(sometimes, "xorl %eax, %eax\n1: pushfq\n orq %rsi, (%rsp)\n popfq\n incl %eax\n cmpl %edi, %eax\n jne 1b\n" OFF)

static volatile int switchOn;
static void setTf(int signal, siginfo_t *info, void *context) {
  ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] |= TF;
}

int main(void) {
  char from[64] = "abcdefgh", to[64] = "abcxefgh9";
  handle(SIGTRAP, 0);
  handle(SIGILL, 0);
  handle(SIGSEGV, 0);
  run("straight", straight, 0, 0);
  run("branches", branches, 0, 0);
  run("shown", shown, 0, 0);
  say("%lx", ((unsigned long (*)())shown)());
  run("copies", copies, to + 16, from);
  for (int i = 0; i < count && i < 12; i++) say("  rcx %lu, %ld, %ld", steps[i].rcx, steps[i].rsi - (long)from, steps[i].rdi - (long)to);
  run("compares", compares, to, from);
  for (int i = 0; i < count && i < 16; i++) say("  rcx %lu, %ld, %ld", steps[i].rcx, steps[i].rsi - (long)from, steps[i].rdi - (long)to);
  char *low = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  run("narrow copies", narrowCopies, low + 16, low);
  for (int i = 0; i < count && i < 6; i++) say("  rcx %lu, %ld, %ld", steps[i].rcx, steps[i].rsi - (long)low, steps[i].rdi - (long)low);
  run("calls", calls, 0, 0);
  say("r11 %x", ((int (*)())calls)());
  run("two calls", twoCalls, 0, 0);
  run("breaks", breaks, 0, 0);
  skip = 2;
  run("invalid", invalid, 0, 0);
  // A page that comes with the first access, and one that doesn't.
  char *page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(page + 4096, 4096);
  skip = 7;
  run("faults", divides, page, page);
  run("twice on", twiceOn, 0, 0);
  run("vectors", vectors, 0, 0);
  run("iretq", returns, 0, 0);
  run("locked", locked, 0, 0);
  mprotect((void *)((long)changes & -4096), 8192, PROT_READ | PROT_WRITE | PROT_EXEC);
  run("changes", changes, 0, 0);
  run("after a loop", loops, (void *)300000, (void *)5);
  int before = count;
  count = 0;
  loops(300000L, 1000L);
  say("%d steps, %d before", count, before);
  count = 0;
  sometimes(300000L, 0L);
  say("%d steps", count);
  base = (char *)sometimes;
  count = 0;
  sometimes(50L, 0x100L);
  say("%d steps", count);
  // A handler ends it.
  limit = 3;
  run("limit", straight, 0, 0);
  limit = 0;
  // It begins by sigreturn, and goes on over other signals.
  struct sigaction action = {.sa_sigaction = setTf, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &action, 0);
  count = 0;
  __asm__ volatile("movl $39, %%eax\n syscall\n movl %%eax, %%edi\n movl $10, %%esi\n movl $62, %%eax\n syscall\n nop\n nop\n nop\n"
                   "pushfq\n andl $~0x100, (%%rsp)\n popfq\n" : : : "rax", "rcx", "rdi", "rsi", "r11", "memory", "cc");
  say("by sigreturn: %d, first flags %d", count, steps[0].tf);
  handle(SIGUSR2, 0);
  count = 0;
  __asm__ volatile("movl $39, %%eax\n syscall\n pushfq\n orl $0x100, (%%rsp)\n popfq\n movl %%eax, %%edi\n movl $12, %%esi\n movl $62, %%eax\n syscall\n nop\n nop\n"
                   "pushfq\n andl $~0x100, (%%rsp)\n popfq\n" : : : "rax", "rcx", "rdi", "rsi", "r11", "memory", "cc");
  say("over a signal: %d", count);
  for (int i = 0; i < count; i++) say("  %d code %d", steps[i].signal, steps[i].code);
  // A child of fork steps on; without a handler it dies.
  signal(SIGTRAP, SIG_DFL);
  pid_t pid = fork();
  if (pid == 0) {
    __asm__ volatile("pushfq\n orl $0x100, (%rsp)\n popfq\n nop\n nop\n");
    _exit(1);
  }
  int status;
  waitpid(pid, &status, 0);
  say("died of %d", WTERMSIG(status));
  return 0;
}
