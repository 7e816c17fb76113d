// execve(2): errors, scripts, close-on-exec, what is kept and what is not, set-user-ID.
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern char **environ;

static void put(const char *path, const char *text, int mode) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0700);
  write(fd, text, strlen(text));
  fchmod(fd, mode);
  close(fd);
}

static void attempt(const char *path, char **argv) {
  fflush(stdout);
  pid_t pid = fork();
  if (pid == 0) {
    char *none[] = {"A=1", 0};
    execve(path, argv, none);
    say("%s: %s", path, strerrorname_np(errno));
    _exit(1);
  }
  int status;
  waitpid(pid, &status, 0);
  say("%s status %x", path, status);
}

static void report(char **argv) {
  for (int i = 0; argv[i]; i++) say("argv[%d] = %s", i, i == 0 && strstr(argv[0], "execs") ? "execs" : argv[i]);
  for (char **e = environ; *e; e++) if (**e != '_') say("%s", *e);
  say("fd 50 %s, fd 51 %s", fcntl(50, F_GETFD) < 0 ? "closed" : "open", fcntl(51, F_GETFD) < 0 ? "closed" : "open");
  struct sigaction action;
  sigaction(SIGUSR1, 0, &action);
  say("usr1 %s", action.sa_handler == SIG_IGN ? "ignored" : action.sa_handler == SIG_DFL ? "default" : "handled");
  sigaction(SIGUSR2, 0, &action);
  say("usr2 %s", action.sa_handler == SIG_IGN ? "ignored" : action.sa_handler == SIG_DFL ? "default" : "handled");
  sigset_t set;
  sigprocmask(SIG_BLOCK, 0, &set);
  say("hup blocked %d", sigismember(&set, SIGHUP));
  say("uid %d %d secure %ld", getuid(), geteuid(), getauxval(AT_SECURE));
  say("pagesz %ld clktck %ld phent %ld uid %ld platform %s", getauxval(AT_PAGESZ), getauxval(AT_CLKTCK), getauxval(AT_PHENT), getauxval(AT_UID), (char *)getauxval(AT_PLATFORM));
  char name[17] = "";
  prctl(PR_GET_NAME, name);
  say("name %s, execfn %s", name[0] == '4' ? "execs" : name, strstr((char *)getauxval(AT_EXECFN), "xecs") ? "execs" : (char *)getauxval(AT_EXECFN));
}

static void handler(int signal) {}

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "report") == 0) {
    report(argv);
    return 0;
  }
  char self[4096];
  ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
  self[length] = 0;
  mkdir("/tmp/execs", 0755);
  chdir("/tmp/execs");
  char *args[] = {"name", "report", "a b", "", 0};
  attempt("/nonexistent", args);
  attempt("/tmp", args);
  put("plain", "no program\n", 0644);
  attempt("./plain", args);
  chmod("plain", 0755);
  attempt("./plain", args);
  put("empty", "", 0755);
  attempt("./empty", args);
  put("script", "#! /bin/sh -e  \necho \"$0 $# $1 $2\"\n", 0755);
  attempt("./script", args);
  put("nested", "#!./script one two \n", 0755);
  attempt("./nested", args);
  put("noInterpreter", "#!/nonexistent\n", 0755);
  attempt("./noInterpreter", args);
  put("blank", "#!   \n", 0755);
  attempt("./blank", args);
  put("loop", "#!./loop\n", 0755);
  attempt("./loop", args);
  put("short", "\177ELF\2\1\1", 0755);
  attempt("./short", args);
  attempt("./script/x", args);
  TELL(execve("./script", (char **)8, 0));
  TELL(execve((char *)8, args, 0));
  put("readless", "#!/bin/sh\necho run\n", 0111);
  attempt("./readless", args);
  open("/dev/null", O_RDONLY);
  dup2(0, 50);
  dup3(0, 51, O_CLOEXEC);
  signal(SIGUSR1, SIG_IGN);
  signal(SIGUSR2, handler);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGHUP);
  sigprocmask(SIG_BLOCK, &set, 0);
  attempt(self, args);
  fflush(stdout);
  int fd = open(self, O_RDONLY | O_CLOEXEC);
  if (fork() == 0) {
    char *none[] = {0};
    syscall(SYS_execveat, fd, "", args, none, AT_EMPTY_PATH);
    _exit(1);
  }
  wait(0);
  char *big = malloc(200000);
  memset(big, 'x', 199999);
  big[199999] = 0;
  char *tooLong[] = {"x", big, 0};
  TELL(execve(self, tooLong, 0));
  char **many = malloc(sizeof(char *) * 40001);
  big[1000] = 0;
  for (int i = 0; i < 40000; i++) many[i] = big;
  many[40000] = 0;
  TELL(execve(self, many, 0));
  return 0;
}
