/* What the system costs: os NAME prints nanoseconds an operation. NAME: getppid, forkexec (of the second argument), loop (ns an instruction of 8). */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static void loop(uint64_t n) {
  __asm__ volatile("1: add %%rax, %%rbx\n xor %%rbx, %%rcx\n lea 3(%%rcx), %%rdx\n add %%rdx, %%rax\n sub %%rcx, %%rdx\n inc %%rdx\n dec %0\n jnz 1b\n"
                   : "+r"(n) : : "rax", "rbx", "rcx", "rdx", "cc");
}

int main(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "";
  int count = 0;
  double best = 1e300;
  for (int round = 0; round < 8; round++) {
    double start = now();
    if (!strcmp(name, "getppid")) {
      for (int i = 0; i < (count = 100000); i++) syscall(SYS_getppid);
    } else if (!strcmp(name, "loop")) {
      loop(10000000);
      count = 80000000;
    } else if (!strcmp(name, "forkexec") && argc > 2) {
      for (int i = 0; i < (count = 20); i++) {
        pid_t child = fork();
        if (child == 0) {
          execl(argv[2], argv[2], NULL);
          _exit(127);
        }
        waitpid(child, NULL, 0);
      }
    } else {
      return 2;
    }
    double each = (now() - start) / count;
    if (each < best) best = each;
  }
  printf("%.3f\n", best);
  return 0;
}
