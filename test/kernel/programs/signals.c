// signal(7): handlers, masks, alternate stacks, real-time queues, restarts, faults.
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/ucontext.h>
#include <sys/wait.h>
#include <time.h>

static volatile int count;
static volatile siginfo_t last;

static void counting(int signal) {
  count++;
}

static void remember(int signal, siginfo_t *info, void *context) {
  count++;
  *(siginfo_t *)&last = *info;
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *), int flags) {
  struct sigaction action = {.sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO};
  sigaction(signal, &action, 0);
}

static void basics(void) {
  handle(SIGUSR1, remember, 0);
  count = 0;
  raise(SIGUSR1);
  say("%d signo %d code %d pid %d", count, last.si_signo, last.si_code, last.si_pid == getpid());
  kill(getpid(), SIGUSR1);
  say("%d code %d uid %d", count, last.si_code, last.si_uid == getuid());
  sigset_t set, old, pending;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGKILL);
  TELL(sigprocmask(SIG_BLOCK, &set, 0));
  TELL(sigprocmask(SIG_BLOCK, 0, &old));
  say("usr1 %d kill %d", sigismember(&old, SIGUSR1), sigismember(&old, SIGKILL));
  raise(SIGUSR1);
  raise(SIGUSR1);
  sigpending(&pending);
  say("count %d pending %d", count, sigismember(&pending, SIGUSR1));
  sigprocmask(SIG_UNBLOCK, &set, 0);
  say("count %d", count);
  TELL(sigaction(SIGKILL, &(struct sigaction){.sa_handler = counting}, 0));
  TELL(sigaction(65, 0, 0));
  TELL(syscall(SYS_rt_sigprocmask, 9, &set, 0, 8));
  TELL(syscall(SYS_rt_sigprocmask, 0, 0, 0, 9));
}

static void realtime(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN);
  sigaddset(&set, SIGRTMIN + 1);
  sigaddset(&set, SIGUSR2);
  sigprocmask(SIG_BLOCK, &set, 0);
  for (int i = 0; i < 3; i++) sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = i});
  sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 10});
  kill(getpid(), SIGUSR2);
  siginfo_t info;
  struct timespec none = {0, 0}, some = {0, 20000000};
  for (;;) {
    int signal = sigtimedwait(&set, &info, &none);
    if (signal < 0) break;
    say("%s %d code %d value %d", signal == SIGUSR2 ? "usr2" : "rt", signal - SIGRTMIN, info.si_code, info.si_value.sival_int);
  }
  TELL(sigtimedwait(&set, &info, &some));
  if (fork() == 0) {
    usleep(10000);
    kill(getppid(), SIGUSR2);
    _exit(0);
  }
  TELL(sigwaitinfo(&set, &info));
  wait(0);
  sigprocmask(SIG_UNBLOCK, &set, 0);
}

static void restarts(void) {
  int pipes[2];
  char c;
  pipe(pipes);
  for (int flags = 0; flags < 2; flags++) {
    struct sigaction action = {.sa_handler = counting, .sa_flags = flags ? SA_RESTART : 0};
    sigaction(SIGALRM, &action, 0);
    count = 0;
    if (flags && fork() == 0) {
      usleep(60000);
      write(pipes[1], "x", 1);
      _exit(0);
    }
    struct itimerval timer = {.it_value = {0, 20000}};
    setitimer(ITIMER_REAL, &timer, 0);
    TELL(read(pipes[0], &c, 1));
    say("count %d", count);
    if (flags) wait(0);
  }
  struct itimerval timer = {.it_value = {0, 20000}};
  setitimer(ITIMER_REAL, &timer, 0);
  struct timespec request = {5, 0}, left;
  TELL(nanosleep(&request, &left));
  say("left %ld", (long)left.tv_sec);
  setitimer(ITIMER_REAL, &timer, 0);
  TELL(pause());
  sigset_t set, old;
  sigemptyset(&set);
  sigaddset(&set, SIGALRM);
  sigprocmask(SIG_BLOCK, &set, 0);
  setitimer(ITIMER_REAL, &timer, 0);
  usleep(30000);
  count = 0;
  sigemptyset(&set);
  TELL(sigsuspend(&set));
  sigprocmask(SIG_BLOCK, 0, &old);
  say("count %d, blocked again %d", count, sigismember(&old, SIGALRM));
  sigaddset(&set, SIGALRM);
  sigprocmask(SIG_UNBLOCK, &set, 0);
  // Stopped and continued in the middle of a sleep: it goes on.
  pid_t pid = fork();
  if (pid == 0) {
    struct timespec short_ = {0, 100000000};
    _exit(nanosleep(&short_, 0) == 0 ? 0 : 1);
  }
  usleep(20000);
  kill(pid, SIGSTOP);
  usleep(20000);
  kill(pid, SIGCONT);
  int status;
  waitpid(pid, &status, 0);
  say("slept on: %d", status);
}

static sigjmp_buf back;

static void escape(int signal, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  say("signal %d code %d address %d trap %lld error %lld", signal, info->si_code, info->si_addr == (void *)uc->uc_mcontext.gregs[REG_CR2],
      (long long)uc->uc_mcontext.gregs[REG_TRAPNO], (long long)uc->uc_mcontext.gregs[REG_ERR] & ~1); // whether the page was there is no fact about the kernel
  siglongjmp(back, 1);
}

static void faults(void) {
  handle(SIGSEGV, escape, 0);
  handle(SIGBUS, escape, 0);
  handle(SIGFPE, escape, 0);
  handle(SIGILL, escape, 0);
  handle(SIGTRAP, escape, 0);
  volatile char *nowhere = (char *)0x10;
  if (!sigsetjmp(back, 1)) *nowhere = 1;
  if (!sigsetjmp(back, 1)) (void)*nowhere;
  char *page = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (!sigsetjmp(back, 1)) *(volatile char *)page = 1;
  if (!sigsetjmp(back, 1)) ((void (*)(void))page)();
  mprotect(page, 4096, PROT_NONE);
  if (!sigsetjmp(back, 1)) (void)*(volatile char *)page;
  int fd = open("/tmp/signals.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
  ftruncate(fd, 100);
  page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  page[50] = 1;
  if (!sigsetjmp(back, 1)) (void)*(volatile char *)(page + 4096);
  unlink("/tmp/signals.tmp");
  volatile int zero = 0;
  if (!sigsetjmp(back, 1)) zero = 1 / zero;
  if (!sigsetjmp(back, 1)) __builtin_trap();
  if (!sigsetjmp(back, 1)) __asm__ volatile("int3");
  if (!sigsetjmp(back, 1)) *(volatile char *)0x8000000000000000 = 1;
}

static void changeRegisters(int signal, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  uc->uc_mcontext.gregs[REG_RAX] = 0x1122334455667788;
  uc->uc_mcontext.gregs[REG_RIP] += 2;
  uc->uc_mcontext.fpregs->_xmm[3].element[0] = 42;
}

static void contexts(void) {
  handle(SIGILL, changeRegisters, 0);
  unsigned long rax;
  unsigned xmm;
  __asm__ volatile("movl $7, %%eax\n movd %%eax, %%xmm3\n xorl %%eax, %%eax\n ud2\n movd %%xmm3, %1" : "=&a"(rax), "=r"(xmm) : : "xmm3");
  say("%lx %u", rax, xmm);
}

static char stack[65536];

static void whichStack(int signal, siginfo_t *info, void *context) {
  char here;
  stack_t now;
  sigaltstack(0, &now);
  say("on it %d flags %d", &here >= stack && &here < stack + sizeof stack, now.ss_flags);
  stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
  TELL(sigaltstack(&other, 0));
}

static void deep(int n) {
  volatile char room[4096];
  room[0] = n;
  deep(n + 1);
  room[1] = room[0];
}

static void overflowed(int signal, siginfo_t *info, void *context) {
  write(1, "overflow caught\n", 16);
  _exit(0);
}

static void alternate(void) {
  stack_t set = {.ss_sp = stack, .ss_size = sizeof stack}, old;
  TELL(sigaltstack(&set, &old));
  say("old flags %d", old.ss_flags);
  handle(SIGUSR1, whichStack, SA_ONSTACK);
  raise(SIGUSR1);
  handle(SIGUSR1, whichStack, 0);
  raise(SIGUSR1);
  set.ss_size = 10;
  TELL(sigaltstack(&set, 0));
  pid_t pid = fork();
  int status;
  if (pid == 0) {
    handle(SIGSEGV, overflowed, SA_ONSTACK);
    deep(0);
  }
  waitpid(pid, &status, 0);
  say("status %d", status);
}

static void nested(int signal, siginfo_t *info, void *context) {
  count++;
  if (count < 3) raise(SIGUSR2);
  say("leaving %d", count--);
}

static void flags(void) {
  count = 0;
  handle(SIGUSR2, nested, SA_NODEFER);
  raise(SIGUSR2);
  handle(SIGUSR2, remember, SA_RESETHAND);
  raise(SIGUSR2);
  struct sigaction now;
  sigaction(SIGUSR2, 0, &now);
  say("reset %d", now.sa_handler == SIG_DFL);
  int status;
  pid_t pid;
  for (int signal = 1; signal < 32; signal++) {
    if (signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN || signal == SIGTTOU) continue;
    pid = fork();
    if (pid == 0) {
      struct sigaction action = {.sa_handler = SIG_DFL};
      sigaction(signal, &action, 0);
      raise(signal);
      _exit(77);
    }
    waitpid(pid, &status, 0);
    say("%d: %s %d", signal, WIFSIGNALED(status) ? "killed" : "exited", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
  }
  handle(SIGCHLD, remember, 0);
  count = 0;
  pid = fork();
  if (pid == 0) _exit(9);
  while (count == 0) pause();
  say("child: code %d status %d pid %d", last.si_code, last.si_status, last.si_pid == pid);
  waitpid(pid, 0, 0);
  handle(SIGPIPE, remember, 0);
  int pipes[2];
  pipe(pipes);
  close(pipes[0]);
  count = 0;
  TELL(write(pipes[1], "x", 1));
  say("pipe %d", count);
}

static void *waiter(void *argument) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  int signal;
  sigwait(&set, &signal);
  return (void *)(long)signal;
}

static void threads(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, 0);
  pthread_t thread;
  pthread_create(&thread, 0, waiter, 0);
  usleep(10000);
  kill(getpid(), SIGTERM);
  void *result;
  pthread_join(thread, &result);
  say("thread took %ld", (long)result);
}

int main(void) {
  basics();
  realtime();
  restarts();
  faults();
  contexts();
  alternate();
  flags();
  threads();
  return 0;
}
