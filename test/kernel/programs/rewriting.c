// Code that is written while it runs: ahead in the same block, in its page, across a border, elsewhere, by string instructions, by system
// calls, through a second mapping; and code that is replaced by mprotect(2), munmap(2), mremap(2).
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <sys/uio.h>
#include <sys/wait.h>

typedef long (*function)();
static unsigned char *area;  // four pages that can be written and executed

static unsigned char *emit(unsigned char *at, const void *bytes, size_t size) {
  memcpy(at, bytes, size);
  return at + size;
}
#define EMIT(at, ...) (at = emit(at, (unsigned char[]){__VA_ARGS__}, sizeof (unsigned char[]){__VA_ARGS__}))
#define INT32(v) (unsigned char)(v), (unsigned char)((v) >> 8), (unsigned char)((v) >> 16), (unsigned char)((v) >> 24)

static void clear(void) {
  memset(area, 0xcc, 16384);
}

// mov eax, n; ret
static void constant(unsigned char *at, int n) {
  EMIT(at, 0xb8, INT32(n), 0xc3);
}

static long call(void *at, long a, long b) {
  return ((function)at)(a, b);
}

// Often, so that it is compiled in between: the sum of what it gives.
static long often(void *at, long a, long b, int times) {
  long sum = 0;
  for (int i = 0; i < times; i++) sum += call(at, a, b);
  return sum;
}

// The loop counts edi down and adds to eax what its own instruction says; each turn writes that instruction's constant, `distance` bytes on.
static void ahead(void) {
  for (int distance = 0; distance < 3; distance++) {
    clear();
    static const int gaps[] = {0, 100, 4096};
    int gap = gaps[distance];
    unsigned char *p = area + 4096 - 20, *start = p;
    EMIT(p, 0x31, 0xc0);                             // xor eax, eax
    unsigned char *loop = p;
    unsigned char *store = p;
    EMIT(p, 0x40, 0x88, 0x3d, INT32(0));             // mov [rip + x], dil
    unsigned char *behind = p;
    if (gap) {
      EMIT(p, 0xe9, INT32(gap));                     // jmp over the gap
      p += gap;
    }
    EMIT(p, 0x05, INT32(0));                         // add eax, imm32
    int displacement = p - 4 - behind;
    memcpy(store + 3, &displacement, 4);
    EMIT(p, 0xff, 0xcf);                             // dec edi
    EMIT(p, 0x0f, 0x85, INT32(loop - (p + 6)));      // jnz loop
    EMIT(p, 0xc3);
    say("ahead by %d: %ld %ld", gap, call(start, 255, 0), often(start, 100, 0, 300));
  }
}

// An instruction that changes the one right behind it, in one block: inc eax <-> dec eax.
static void justAhead(void) {
  clear();
  unsigned char *p = area + 64, *start = p;
  EMIT(p, 0x31, 0xc0, 0xb9, INT32(20000));           // xor eax, eax; mov ecx, 20000
  unsigned char *loop = p;
  EMIT(p, 0x80, 0x35, INT32(2), 0x08);               // xor byte [rip + 2], 8: inc eax becomes dec eax ...
  EMIT(p, 0x90);                                     // nop
  EMIT(p, 0xff, 0xc0);                               // inc eax
  EMIT(p, 0xff, 0xc9, 0x75, loop - (p + 4));         // dec ecx; jnz loop
  EMIT(p, 0xc3);
  say("just ahead: %ld", call(start, 0, 0));
  clear();
  // What follows it, across a border. (Over itself it may be interrupted, natively too, and is gone then.)
  p = start = area + 4096 - 8;
  EMIT(p, 0xb0, 0x90, 0xb9, INT32(15), 0xf3, 0xaa);  // mov al, 0x90; mov ecx, 15; rep stosb: nops over what follows
  EMIT(p, 0xb8, INT32(7), 0xc3);                     // mov eax, 7; ret
  p = start + 24;
  EMIT(p, 0xb8, INT32(9), 0xc3);
  say("rep stosb just ahead: %ld", call(start, (long)start + 9, 0));
}

// A function that another writes anew, called hot before.
static void elsewhere(void) {
  clear();
  unsigned char *callee = area + 8192, *p = area, *start = p;
  constant(callee, 1);
  EMIT(p, 0x53, 0x31, 0xdb, 0x89, 0xf9);             // push rbx; xor ebx, ebx; mov ecx, edi
  unsigned char *loop = p;
  EMIT(p, 0xe8, INT32(callee - (p + 5)), 0x01, 0xc3); // call callee; add ebx, eax
  EMIT(p, 0x39, 0xf1, 0x75, 6);                       // cmp ecx, esi; jne
  EMIT(p, 0xff, 0x05, INT32(callee + 1 - (p + 6)));   // inc dword [callee + 1]
  EMIT(p, 0xff, 0xc9, 0x75, loop - (p + 4));
  EMIT(p, 0x89, 0xd8, 0x5b, 0xc3);                    // mov eax, ebx; pop rbx; ret
  say("elsewhere: %ld %ld", call(start, 200000, 100000), call(start, 200000, 1));
  long sum = 0;
  for (int i = 0; i < 300; i++) {
    constant(callee, i);
    sum += call(callee, 0, 0) + call(start, 3, 0);
  }
  say("by turns: %ld", sum);
  // Byte by byte, in all of the page.
  for (int i = 0; i < 4000; i += 7) {
    constant(area + 4096 + i, i);
    sum += call(area + 4096 + i, 0, 0);
    constant(area + 4096 + i, 2 * i);
    sum += call(area + 4096 + i, 0, 0);
  }
  say("all over the page: %ld", sum);
  // Across the border, each page on its own, hot.
  unsigned char *across = area + 8192 - 3;
  constant(across, 0x11223344);
  say("across: %lx", often(across, 0, 0, 50000));
  across[1] = 0x45;
  say("first page: %lx", often(across, 0, 0, 50000));
  across[4] = 0x12;
  say("second page: %lx", often(across, 0, 0, 50000));
  memcpy(across, (unsigned char[]){0x31, 0xc0, 0xc3}, 3);
  say("shorter: %lx", often(across, 0, 0, 50000));
}

static void byCalls(void) {
  clear();
  int pipes[2];
  pipe(pipes);
  unsigned char *at = area + 4096 - 2;
  unsigned char code[6];
  long sum = 0;
  for (int i = 0; i < 50; i++) {
    constant(code, i * 1000);
    write(pipes[1], code, 6);
    read(pipes[0], at, 6);
    sum += often(at, 0, 0, i == 20 ? 100000 : 100);
  }
  say("by read: %ld", sum);
  int fd = open("/tmp/rewriting.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
  for (int i = 0; i < 4; i++) {
    constant(code, i + 70);
    pwrite(fd, code, 6, 0);
    struct iovec parts[2] = {{at, 3}, {at + 3, 3}};
    preadv(fd, parts, 2, 0);
    say("by preadv: %ld", often(at, 0, 0, 10000));
  }
  // The file's page itself is executed; write(2) changes it.
  void *mapped = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0), *own = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
  say("of a file: %ld %ld", often(mapped, 0, 0, 50000), often(own, 0, 0, 50000));
  constant(code, 5);
  pwrite(fd, code, 6, 0);
  say("written: %ld", often(mapped, 0, 0, 50000));
  ftruncate(fd, 0);
  ftruncate(fd, 4096);
  constant(code, 6);
  pwrite(fd, code, 6, 0);
  say("and again: %ld", often(mapped, 0, 0, 50000));
  unlink("/tmp/rewriting.tmp");
  // A child writes into what it shares with us.
  unsigned char *shared = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  constant(shared, 1);
  sum = often(shared, 0, 0, 50000);
  if (fork() == 0) {
    constant(shared, 2);
    _exit(call(shared, 0, 0));
  }
  int status;
  wait(&status);
  say("by a child: %ld %d %ld", sum, WEXITSTATUS(status), often(shared, 0, 0, 50000));
  // Private after fork: each has its own.
  constant(at, 1);
  often(at, 0, 0, 50000);
  if (fork() == 0) {
    constant(at, 2);
    _exit(often(at, 0, 0, 50000) == 100000);
  }
  wait(&status);
  say("own copy: %d %ld", WEXITSTATUS(status), often(at, 0, 0, 50000));
}

static void twice(void) {
  int fd = memfd_create("code", 0);
  ftruncate(fd, 8192);
  unsigned char *data = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  unsigned char *code = mmap(0, 8192, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
  long sum = 0;
  for (int i = 0; i < 200; i++) {
    constant(data + 4094, i);
    sum += often(code + 4094, 0, 0, i % 50 == 0 ? 50000 : 3);
  }
  say("second mapping: %ld", sum);
  // From inside: the code writes its own constant through the other mapping.
  unsigned char *p = data;
  EMIT(p, 0x31, 0xc0);                               // xor eax, eax
  unsigned char *loop = p;
  EMIT(p, 0x89, 0x3e, 0x05, INT32(0));               // mov [rsi], edi; add eax, imm32
  long place = p - 4 - data;
  EMIT(p, 0xff, 0xcf, 0x75, loop - (p + 4), 0xc3);   // dec edi; jnz; ret
  say("of itself: %ld", call(code, 1000, (long)data + place));
  say("again: %ld", call(code, 50000, (long)data + place));
  pwrite(fd, "\xb8\x05\x00\x00\x00\xc3", 6, 0);
  say("by pwrite: %ld", call(code, 0, 0));
}

static sigjmp_buf back;
static unsigned char *expected;

static void fault(int signal, siginfo_t *info, void *context) {
  greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
  say("signal %d code %d, address %ld, rip %ld, error %lld", signal, info->si_code, (long)info->si_addr - (long)expected, (long)r[REG_RIP] - (long)expected,
      signal == SIGSEGV ? (long long)r[REG_ERR] & 18 : 0);
  siglongjmp(back, 1);
}

static void try(const char *name, unsigned char *at) {
  expected = at;
  printf("%s: ", name);
  if (!sigsetjmp(back, 1)) say("%ld", often(at, 0, 0, 50000));
}

static void replaced(void) {
  struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &action, 0);
  sigaction(SIGBUS, &action, 0);
  sigaction(SIGILL, &action, 0);
  unsigned char *page = mmap(0, 12288, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  constant(page, 3);
  constant(page + 4094, 4);
  try("not executable", page);
  mprotect(page, 8192, PROT_READ | PROT_EXEC);
  try("executable", page);
  try("across", page + 4094);
  mprotect(page + 4096, 4096, PROT_READ);
  try("second page is not", page + 4094);
  try("first still is", page);
  mprotect(page, 8192, PROT_READ);
  try("no more", page);
  mprotect(page, 8192, PROT_EXEC);
  try("only executable", page);
  mprotect(page, 8192, PROT_NONE);
  try("nothing", page);
  mprotect(page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC);
  try("everything", page + 4094);
  mmap(page + 4096, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  page[4096 + 3] = 0xc3;
  try("other second page", page + 4094);
  munmap(page, 4096);
  try("gone", page);
  mmap(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  constant(page, 30);
  try("another", page);
  munmap(page, 8192);
  try("gone again", page);
  unsigned char *moved = mremap(mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, page);
  constant(moved, 31);
  try("moved there", page);
  unsigned char *here = mremap(page, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, page + 8192);
  try("moved away", page);
  try("here", here);
  madvise(here, 4096, MADV_DONTNEED);
  here[0] = 0xc3;
  here[1] = 0xc3;
  try("thrown away", here + 1);
  // Two addresses of the same code with other surroundings: relative calls go elsewhere.
  int fd = memfd_create("code", 0);
  ftruncate(fd, 4096);
  unsigned char *a = mmap(0, 16384, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *b = a + 8192;
  mmap(a, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED | MAP_FIXED, fd, 0);
  mmap(b, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED | MAP_FIXED, fd, 0);
  unsigned char *p = a;
  EMIT(p, 0xe8, INT32(4096 - 5), 0xff, 0xc0, 0xc3);   // call 4096 further; inc eax; ret
  constant(a + 4096, 100);
  constant(b + 4096, 200);
  try("one place", a);
  try("the other", b);
  say("by turns: %ld", often(a, 0, 0, 1) + often(b, 0, 0, 1) + often(a, 0, 0, 3) + often(b, 0, 0, 4));
  // Stacks that are not executable, and jumps to where no code can be.
  unsigned char stack[16];
  constant(stack, 1);
  try("stack", stack);
  try("nowhere", (unsigned char *)0x1000);
  expected = 0;
  printf("not canonical: ");
  if (!sigsetjmp(back, 1)) call((void *)0x8000000000000000, 0, 0);
}

int main(void) {
  area = mmap(0, 16384, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ahead();
  justAhead();
  elsewhere();
  byCalls();
  twice();
  replaced();
  return 0;
}
