/*
 * Runs instructions on the machine's own CPU: `runner SIZE < cases > results`, arrays of the structs below (harness/cases.ts), each case
 * behind SIZE bytes of code. It is a register file and some bytes of memory. One signal a case: the handler stores what the last case left, loads the next
 * one into its own ucontext and returns into the instruction, which ends at an INT3 behind it, at a jump's target, or in a fault.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define CODE 0x30000000ul  /* two pages of INT3; the instruction is in the middle */
#define START (CODE + 0x0800)
#define DATA 0x20000000ul  /* two pages, nothing mapped around them */
#define WINDOW (DATA + 0x0f00)  /* the bytes that a case sets and gets: across the pages' border */
#define READONLY 0x20010000ul  /* a page of zeros that can't be written */
#define GS_BASE 0x10000000ul

struct state {
  uint64_t gpr[16];  /* by encoding: rax rcx rdx rbx rsp rbp rsi rdi r8-r15 */
  uint64_t rip, rflags;
  uint8_t fx[512];
  uint8_t window[512];
};
struct result {
  uint32_t signal, trap, error, pad;
  uint64_t address;
  struct state state;
};

static const int order[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                               REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15 };
static char *inputs;
static size_t codeSize;
static struct result *results;
static size_t count, at;
static int started;
static greg_t segments;

static void finish(void) {
  size_t size = count * sizeof *results, done = 0;
  while (done < size) {
    ssize_t n = write(1, (char *)results + done, size - done);
    if (n <= 0) _exit(2);
    done += n;
  }
  _exit(0);
}

static void store(int number, siginfo_t *info, ucontext_t *context) {
  struct result *r = &results[at];
  greg_t *regs = context->uc_mcontext.gregs;
  r->signal = number;
  r->trap = regs[REG_TRAPNO];
  r->error = regs[REG_ERR];
  r->address = number == SIGSEGV || number == SIGBUS ? (uint64_t)regs[REG_CR2] : 0;
  for (int i = 0; i < 16; i++) r->state.gpr[i] = regs[order[i]];
  r->state.rip = regs[REG_RIP] - (number == SIGTRAP ? 1 : 0);
  r->state.rflags = regs[REG_EFL];
  memcpy(r->state.fx, context->uc_mcontext.fpregs, 512);
  memcpy(r->state.window, (void *)WINDOW, 512);
}

/* Puts code between INT3s. Mostly it is there already: to write it again would cost much more. */
static void put(const char *code) {
  static char wanted[0x2000];
  char *here = wanted + (START - CODE);
  if (at == 0 || memcmp(here, code, codeSize) != 0) {
    memset(wanted, 0xcc, sizeof wanted);
    memcpy(here, code, codeSize);
  }
  /* All of it: bit strings reach far. */
  if (memcmp((void *)CODE, wanted, sizeof wanted) != 0) memcpy((void *)CODE, wanted, sizeof wanted);
}

static void load(ucontext_t *context) {
  char *code = inputs + at * (codeSize + sizeof(struct state));
  struct state *s = (struct state *)(code + codeSize);
  greg_t *regs = context->uc_mcontext.gregs;
  put(code);
  memset((void *)DATA, 0, 0x2000);
  memcpy((void *)WINDOW, s->window, 512);
  for (int i = 0; i < 16; i++) regs[order[i]] = s->gpr[i];
  regs[REG_RIP] = START;
  regs[REG_EFL] = s->rflags;
  regs[REG_CSGSFS] = segments;  /* far transfers may have changed them */
  char *fp = (char *)context->uc_mcontext.fpregs;
  uint64_t xstate = 0;
  memcpy(&xstate, fp + 512, 8);
  memcpy(fp, s->fx, 464);  /* the rest is the kernel's: where the extended state is */
  xstate |= 3;
  memcpy(fp + 512, &xstate, 8);
}

static void handler(int number, siginfo_t *info, void *context) {
  /* A case may have set AC; our own accesses need not be aligned. */
  __asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; andl $~0x40000, (%%rsp); popfq; lea 128(%%rsp), %%rsp" ::: "memory", "cc");
  if (number == SIGALRM) {
    fprintf(stderr, "runner: case %zu doesn't end\n", at);
    _exit(3);
  }
  if (started) {
    store(number, info, context);
    if (++at == count) finish();
  }
  if (!started) segments = ((ucontext_t *)context)->uc_mcontext.gregs[REG_CSGSFS];
  started = 1;
  load(context);
}

static void *map(uint64_t address, size_t size, int protection) {
  void *p = mmap((void *)address, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (p == MAP_FAILED) exit(4);
  return p;
}

int main(int argc, char **argv) {
  codeSize = argc > 1 ? atoi(argv[1]) : 16;
  size_t room = 1 << 20, have = 0;
  char *bytes = malloc(room);
  for (ssize_t n; (n = read(0, bytes + have, room - have)) > 0;) {
    have += n;
    if (have == room) bytes = realloc(bytes, room *= 2);
  }
  inputs = bytes;
  count = have / (codeSize + sizeof(struct state));
  results = calloc(count, sizeof *results);
  if (count == 0) return 0;
  memset(map(CODE, 0x2000, PROT_READ | PROT_WRITE | PROT_EXEC), 0xcc, 0x2000);
  map(DATA, 0x2000, PROT_READ | PROT_WRITE);
  map(READONLY, 0x1000, PROT_READ);
  if (syscall(SYS_arch_prctl, ARCH_SET_GS, GS_BASE) != 0) return 6;
  cpu_set_t first;  /* LSL may ask for the processor's number */
  CPU_ZERO(&first);
  CPU_SET(0, &first);
  sched_setaffinity(0, sizeof first, &first);
  stack_t stack = { .ss_sp = malloc(1 << 16), .ss_size = 1 << 16 };
  sigaltstack(&stack, NULL);
  struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
  const int signals[] = { SIGTRAP, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGALRM };
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
  alarm(600);
  __asm__ volatile("int3");
  return 5;
}
