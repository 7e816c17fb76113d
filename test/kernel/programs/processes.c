// fork(2), wait4(2), waitid(2), sessions, process groups, orphans, vfork, clone(2).
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const char *describe(int status) {
  static char text[64];
  if (WIFEXITED(status)) snprintf(text, 64, "exited %d", WEXITSTATUS(status));
  else if (WIFSIGNALED(status)) snprintf(text, 64, "killed by %d", WTERMSIG(status));
  else if (WIFSTOPPED(status)) snprintf(text, 64, "stopped by %d", WSTOPSIG(status));
  else if (WIFCONTINUED(status)) snprintf(text, 64, "continued");
  else snprintf(text, 64, "%x", status);
  return text;
}

static pid_t child(int status) {
  pid_t pid = fork();
  if (pid == 0) _exit(status);
  return pid;
}

static void waiting(void) {
  int status;
  TELL(wait(&status));
  pid_t pid = child(7);
  say("%s", wait(&status) == pid ? "the child" : "another");
  say("%s", describe(status));
  pid = fork();
  if (pid == 0) for (;;) pause();
  TELL(waitpid(pid, &status, WNOHANG));
  kill(pid, SIGSTOP);
  say("%d %s", waitpid(pid, &status, WUNTRACED) == pid, describe(status));
  TELL(waitpid(pid, &status, WUNTRACED | WNOHANG));
  kill(pid, SIGCONT);
  say("%d %s", waitpid(pid, &status, WCONTINUED) == pid, describe(status));
  siginfo_t info;
  memset(&info, 0, sizeof info);
  TELL(waitid(P_PID, pid, &info, WEXITED | WNOHANG));
  say("pid %d", info.si_pid);
  kill(pid, SIGTERM);
  TELL(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
  say("%d code %d status %d signo %d", info.si_pid == pid, info.si_code, info.si_status, info.si_signo);
  struct rusage usage;
  say("%d %s", wait4(-1, &status, 0, &usage) == pid, describe(status));
  TELL(waitpid(pid, &status, 0));
  TELL(waitid(P_ALL, 0, &info, 0));
  TELL(waitpid(-99999, &status, 0));
  pid = child(0);
  TELL(wait4(pid, (int *)8, 0, 0));
}

static void groups(void) {
  int status;
  int pipes[2];
  pipe(pipes);
  pid_t pid = fork();
  if (pid == 0) {
    say("%d", getpgrp() == getpgid(getppid()));
    TELL(setpgid(0, 0));
    say("%d", getpgrp() == getpid());
    TELL(setsid());
    pid_t second = fork();
    if (second == 0) {
      TELL(setsid() > 0);
      say("%d %d", getsid(0) == getpid(), getpgrp() == getpid());
      TELL(setpgid(0, 0));
      TELL(setpgid(0, 1));
      _exit(0);
    }
    waitpid(second, &status, 0);
    TELL(setpgid(second, 0));
    TELL(setpgid(1, 1));
    TELL(setpgid(0, -5));
    TELL(getsid(99999));
    TELL(getpgid(99999));
    _exit(0);
  }
  waitpid(pid, &status, 0);
  pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
    if (fork() == 0) for (;;) pause();
    write(pipes[1], "x", 1);
    for (;;) pause();
  }
  char c;
  read(pipes[0], &c, 1);
  TELL(kill(-pid, SIGUSR1));
  say("%d %s", waitpid(-pid, &status, 0) == pid, describe(status));
  TELL(kill(99999, 0));
  TELL(kill(-99999, SIGTERM));
  TELL(kill(getpid(), 65));
  TELL(kill(getpid(), 0));
}

static void reparenting(void) {
  int pipes[2], status;
  pipe(pipes);
  TELL(prctl(PR_SET_CHILD_SUBREAPER, 1));
  pid_t pid = fork();
  if (pid == 0) {
    pid_t parent = getpid();
    if (fork() == 0) {
      while (getppid() == parent) usleep(1000);
      int is = getppid() != 1;
      write(pipes[1], &is, sizeof is);
      _exit(5);
    }
    _exit(0);
  }
  waitpid(pid, &status, 0);
  int isSubreaper;
  read(pipes[0], &isSubreaper, sizeof isSubreaper);
  say("subreaper %d", isSubreaper);
  wait(&status);
  say("%s", describe(status));
  prctl(PR_SET_CHILD_SUBREAPER, 0);
}

static int shared = 1;

static int inThread(void *argument) {
  shared = (int)(long)argument;
  return 3;
}

static void clones(void) {
  int status;
  pid_t pid = vfork();
  if (pid == 0) {
    shared = 2;
    _exit(4);
  }
  say("shared %d", shared);
  waitpid(pid, &status, 0);
  say("%s", describe(status));
  char *stack = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  pid = clone(inThread, stack + 65536, CLONE_VM | SIGCHLD, (void *)9);
  waitpid(pid, &status, 0);
  say("%s shared %d", describe(status), shared);
  pid = clone(inThread, stack + 65536, SIGCHLD, (void *)10);
  waitpid(pid, &status, 0);
  say("%s shared %d", describe(status), shared);
  pid = clone(inThread, stack + 65536, 0, (void *)10);
  TELL(waitpid(pid, &status, 0));
  say("%d", waitpid(pid, &status, __WCLONE) == pid);
  TELL(clone(inThread, stack + 65536, CLONE_THREAD, 0));
  TELL(clone(inThread, stack + 65536, CLONE_SIGHAND, 0));
}

static void tree(void) {
  int status, count = 0;
  for (int i = 0; i < 100; i++) {
    if (fork() == 0) {
      if (i % 10 == 0 && fork() == 0) _exit(0);
      _exit(i & 1);
    }
  }
  int failures = 0;
  while (wait(&status) > 0) {
    count++;
    failures += WEXITSTATUS(status);
  }
  say("%d children, %d failed", count, failures);
}

static void ignoringChildren(void) {
  signal(SIGCHLD, SIG_IGN);
  child(3);
  int status;
  TELL(wait(&status));
  signal(SIGCHLD, SIG_DFL);
  struct rlimit limit = {64, 64};
  TELL(setrlimit(RLIMIT_CORE, &limit));
  TELL(prlimit(0, RLIMIT_NOFILE, 0, &limit));
  limit.rlim_cur = limit.rlim_max + 1;
  TELL(setrlimit(RLIMIT_NOFILE, &limit));
  TELL(getrlimit(99, &limit));
  TELL(getpriority(PRIO_PROCESS, 0));
  TELL(setpriority(PRIO_PROCESS, 0, 5));
  TELL(getpriority(PRIO_PROCESS, 0));
  TELL(nice(100));
}

int main(void) {
  waiting();
  groups();
  reparenting();
  clones();
  tree();
  ignoringChildren();
  return 0;
}
