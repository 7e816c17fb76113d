/*
 * What the system costs. `os NAME...` prints "NAME nanoseconds" of one operation for each name, the best of some rounds; `os all` does all of
 * them, `os` alone lists the names. `os loop` is the processor's share: nanoseconds an instruction of a loop of eight.
 * Files are made in $OS_BENCH_DIR (/var/tmp); forkexec runs $OS_BENCH_PROGRAM (/bin/true); there are $OS_BENCH_ROUNDS rounds (40).
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, BIG = 65536 };

static char buffer[BIG];
static char directory[256];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static void must(int ok, const char *what) {
  if (ok) return;
  perror(what);
  exit(1);
}

/* ---------------------------------------------------------------- what the benchmarks stand on */
static int file, zeros[2], back[2], ends[2], epoller;
static pid_t partner;
static char *area;
static size_t areaSize;

static void makeFile(int n) {
  (void)n;
  file = open("cached", O_RDWR | O_CREAT | O_TRUNC, 0644);
  must(file >= 0, "cached");
  for (int i = 0; i < 64; i++) must(write(file, buffer, BIG) == BIG, "write");
  lseek(file, 0, SEEK_SET);
}
static void closeFile(int n) {
  (void)n;
  close(file);
  unlink("cached");
}
static void makeNames(int n) {
  (void)n;
  must(mkdir("names", 0755) == 0, "names");
  for (int i = 0; i < 1000; i++) {
    char name[64];
    sprintf(name, "names/a-file-of-number-%d", i);
    int fd = open(name, O_WRONLY | O_CREAT, 0644);
    must(fd >= 0, name);
    close(fd);
  }
  file = open("names", O_RDONLY | O_DIRECTORY);
}
static void dropNames(int n) {
  (void)n;
  close(file);
  for (int i = 0; i < 1000; i++) {
    char name[64];
    sprintf(name, "names/a-file-of-number-%d", i);
    unlink(name);
  }
  rmdir("names");
}
static void makePipes(int n) {
  (void)n;
  must(pipe(zeros) == 0 && pipe(back) == 0, "pipe");
}
static void dropPipes(int n) {
  (void)n;
  close(zeros[0]), close(zeros[1]), close(back[0]), close(back[1]);
}
static void echo(int from, int to) {
  char c;
  while (read(from, &c, 1) == 1 && write(to, &c, 1) == 1) {}
  _exit(0);
}
static void startEcho(int n) {
  makePipes(n);
  if ((partner = fork()) == 0) {
    close(zeros[1]);
    echo(zeros[0], back[1]);
  }
}
static void stopEcho(int n) {
  dropPipes(n);
  waitpid(partner, NULL, 0);
}
static void startSocketEcho(int n) {
  (void)n;
  must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
  if ((partner = fork()) == 0) {
    close(ends[0]);
    echo(ends[1], ends[1]);
  }
}
static void stopSocketEcho(int n) {
  (void)n;
  close(ends[0]), close(ends[1]);
  waitpid(partner, NULL, 0);
}
static void startWriter(int n) {
  makePipes(n);
  if ((partner = fork()) == 0) {
    close(zeros[0]);
    signal(SIGPIPE, SIG_DFL);
    while (write(zeros[1], buffer, BIG) > 0) {}
    _exit(0);
  }
}
static void stopWriter(int n) {
  dropPipes(n);
  waitpid(partner, NULL, 0);
}
static void makeArea(int n) {
  (void)n;
  areaSize = 4 << 20;
  area = mmap(NULL, areaSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  must(area != MAP_FAILED, "mmap");
  madvise(area, areaSize, MADV_NOHUGEPAGE);
  memset(area, 1, areaSize);
}
static void dropArea(int n) {
  (void)n;
  munmap(area, areaSize);
}

/* ---------------------------------------------------------------- the benchmarks: `n` operations each */
static void loop(int n) {
  uint64_t left = n / 8;
  __asm__ volatile("1: add %%rax, %%rbx\n xor %%rbx, %%rcx\n lea 3(%%rcx), %%rdx\n add %%rdx, %%rax\n sub %%rcx, %%rdx\n inc %%rdx\n dec %0\n jnz 1b\n"
                   : "+r"(left) : : "rax", "rbx", "rcx", "rdx", "cc");
}
static void getppids(int n) {
  for (int i = 0; i < n; i++) syscall(SYS_getppid);
}
static void clocks(int n) {
  struct timespec t;
  for (int i = 0; i < n; i++) clock_gettime(CLOCK_MONOTONIC, &t);
}
static void clockCalls(int n) {
  struct timespec t;
  for (int i = 0; i < n; i++) syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
}
static void read1(int n) {
  lseek(file, 0, SEEK_SET);
  for (int i = 0; i < n; i++) must(read(file, buffer, 1) == 1, "read");
}
static void write1(int n) {
  lseek(file, 0, SEEK_SET);
  for (int i = 0; i < n; i++) must(write(file, buffer, 1) == 1, "write");
}
static void read64k(int n) {
  for (int i = 0; i < n; i++) {
    if (i % 64 == 0) lseek(file, 0, SEEK_SET);
    must(read(file, buffer, BIG) == BIG, "read");
  }
}
static void write64k(int n) {
  for (int i = 0; i < n; i++) {
    if (i % 64 == 0) lseek(file, 0, SEEK_SET);
    must(write(file, buffer, BIG) == BIG, "write");
  }
}
static void pread4k(int n) {
  for (int i = 0; i < n; i++) must(pread(file, buffer, PAGE, (off_t)(i % 1000) * PAGE) == PAGE, "pread");
}
static void stats(int n) {
  struct stat st;
  for (int i = 0; i < n; i++) must(stat("/usr/lib/x86_64-linux-gnu", &st) == 0, "stat");
}
static void fstats(int n) {
  struct stat st;
  for (int i = 0; i < n; i++) must(fstat(file, &st) == 0, "fstat");
}
static void statMissing(int n) {
  struct stat st;
  for (int i = 0; i < n; i++) must(stat("/usr/lib/x86_64-linux-gnu/no-such-file", &st) < 0, "stat");
}
static void opens(int n) {
  for (int i = 0; i < n; i++) {
    int fd = open("/etc/passwd", O_RDONLY);
    must(fd >= 0, "open");
    close(fd);
  }
}
static void getdents1000(int n) {
  for (int i = 0; i < n; i++) {
    lseek(file, 0, SEEK_SET);
    while (syscall(SYS_getdents64, file, buffer, 32768) > 0) {}
  }
}
static void creats(int n) {
  for (int i = 0; i < n; i++) {
    int fd = open("made", O_WRONLY | O_CREAT | O_EXCL, 0644);
    must(fd >= 0, "creat");
    close(fd);
    unlink("made");
  }
}
static void creatWrites(int n) {
  for (int i = 0; i < n; i++) {
    int fd = open("made", O_WRONLY | O_CREAT | O_EXCL, 0644);
    must(fd >= 0, "creat");
    must(write(fd, buffer, 2000) == 2000, "write");
    close(fd);
    unlink("made");
  }
}
static void renames(int n) {
  for (int i = 0; i < n; i += 2) must(rename("cached", "other") == 0 && rename("other", "cached") == 0, "rename");
}
static void procStats(int n) {
  for (int i = 0; i < n; i++) {
    int fd = open("/proc/self/stat", O_RDONLY);
    must(fd >= 0 && read(fd, buffer, 4096) > 0, "/proc/self/stat");
    close(fd);
  }
}
static void polls(int n) {
  struct pollfd fds[10];
  for (int i = 0; i < 10; i++) fds[i] = (struct pollfd){ .fd = i < 9 ? zeros[0] : zeros[1], .events = i < 9 ? POLLIN : POLLOUT };
  for (int i = 0; i < n; i++) must(poll(fds, 10, 1000) == 1, "poll");
}
static void makeEpoll(int n) {
  makePipes(n);
  epoller = epoll_create1(0);
  struct epoll_event event = { .events = EPOLLIN };
  epoll_ctl(epoller, EPOLL_CTL_ADD, zeros[0], &event);
  epoll_ctl(epoller, EPOLL_CTL_ADD, back[0], &event);
}
static void dropEpoll(int n) {
  close(epoller);
  dropPipes(n);
}
/* A byte into a pipe, learning of it, and taking it out. */
static void epolls(int n) {
  struct epoll_event event;
  for (int i = 0; i < n; i++) {
    must(write(zeros[1], buffer, 1) == 1 && epoll_wait(epoller, &event, 1, 1000) == 1 && read(zeros[0], buffer, 1) == 1, "epoll");
  }
}
static void pipeAlone(int n) {
  for (int i = 0; i < n; i++) must(write(zeros[1], buffer, 1) == 1 && read(zeros[0], buffer, 1) == 1, "pipe");
}
static void pipePingPong(int n) {
  for (int i = 0; i < n; i++) must(write(zeros[1], buffer, 1) == 1 && read(back[0], buffer, 1) == 1, "pipe");
}
static void socketPingPong(int n) {
  for (int i = 0; i < n; i++) must(write(ends[0], buffer, 1) == 1 && read(ends[0], buffer, 1) == 1, "socket");
}
/* Of 64 KiB. */
static void pipeThroughput(int n) {
  for (long left = (long)n * BIG; left > 0;) {
    ssize_t got = read(zeros[0], buffer, BIG);
    must(got > 0, "read");
    left -= got;
  }
}
static void forks(int n) {
  for (int i = 0; i < n; i++) {
    pid_t child = fork();
    if (child == 0) _exit(0);
    must(child > 0 && waitpid(child, NULL, 0) == child, "fork");
  }
}
static void vforks(int n) {
  for (volatile int i = 0; i < n; i++) {
    pid_t child = vfork();
    if (child == 0) _exit(0);
    must(child > 0 && waitpid(child, NULL, 0) == child, "vfork");
  }
}
static void forkExecs(int n) {
  const char *program = getenv("OS_BENCH_PROGRAM");
  if (!program) program = "/bin/true";
  for (int i = 0; i < n; i++) {
    pid_t child = fork();
    if (child == 0) {
      execl(program, program, NULL);
      _exit(127);
    }
    must(child > 0 && waitpid(child, NULL, 0) == child, "fork");
  }
}
static void shells(int n) {
  for (int i = 0; i < n; i++) must(system("/bin/true; /bin/true") == 0, "system");
}
static void *nothing(void *p) { return p; }
static void threads(int n) {
  for (int i = 0; i < n; i++) {
    pthread_t t;
    must(pthread_create(&t, NULL, nothing, NULL) == 0, "pthread_create");
    pthread_join(t, NULL);
  }
}
static int turn, plays;
static void futexWait(int expected) { syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0); }
static void play(int me) {
  for (int i = 0; i < plays; i++) {
    while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != me) futexWait(!me);
    __atomic_store_n(&turn, !me, __ATOMIC_RELEASE);
    syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
  }
}
static void *player(void *p) {
  play(1);
  return p;
}
static void futexPingPong(int n) {
  pthread_t t;
  plays = n;
  turn = 0;
  pthread_create(&t, NULL, player, NULL);
  play(0);
  pthread_join(t, NULL);
}
static void mmaps(int n) {
  for (int i = 0; i < n; i++) {
    char *p = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(p != MAP_FAILED, "mmap");
    *p = 1;
    munmap(p, 16 * PAGE);
  }
}
/* Pages of a mapping that are written for the first time, in order, and given back together. */
static void touchPages(int n) {
  char *p = mmap(NULL, (size_t)n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  must(p != MAP_FAILED, "mmap");
  madvise(p, (size_t)n * PAGE, MADV_NOHUGEPAGE);
  for (int i = 0; i < n; i++) p[(size_t)i * PAGE] = 1;
  munmap(p, (size_t)n * PAGE);
}
static void filePages(int n) {
  for (int i = 0; i < n; i += 1024) {
    volatile char *p = mmap(NULL, 1024 * PAGE, PROT_READ, MAP_PRIVATE, file, 0);
    must(p != MAP_FAILED, "mmap");
    for (int k = 0; k < 1024; k++) (void)p[k * PAGE];
    munmap((void *)p, 1024 * PAGE);
  }
}
/* Pages of 4 MiB that a child writes, the fork and exit with it. */
static void copyOnWrite(int n) {
  for (int i = 0; i < n; i += 1024) {
    pid_t child = fork();
    if (child == 0) {
      for (int k = 0; k < 1024; k++) area[k * PAGE] = 2;
      _exit(0);
    }
    waitpid(child, NULL, 0);
  }
}
static void protects(int n) {
  for (int i = 0; i < n; i++) mprotect(area + (i & 511) * 2 * PAGE, PAGE, i & 512 ? PROT_READ | PROT_WRITE : PROT_READ);
  mprotect(area, areaSize, PROT_READ | PROT_WRITE);
}
static volatile int hits;
static void onSignal(int signal) { hits += signal != 0; }
static void signals(int n) {
  signal(SIGUSR1, onSignal);
  for (int i = 0; i < n; i++) kill(getpid(), SIGUSR1);
}
static void faultSignal(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)context;
  mprotect((void *)((uintptr_t)info->si_addr & ~(uintptr_t)(PAGE - 1)), PAGE, PROT_READ | PROT_WRITE);
}
/* SIGSEGV, and mprotect(2) in the handler: garbage collectors. */
static void segvs(int n) {
  struct sigaction action = { .sa_sigaction = faultSignal, .sa_flags = SA_SIGINFO }, old;
  sigaction(SIGSEGV, &action, &old);
  for (int i = 0; i < n; i++) {
    mprotect(area, PAGE, PROT_READ);
    *(volatile char *)area = 1;
  }
  sigaction(SIGSEGV, &old, NULL);
}

typedef void Step(int n);
/* `n` operations a round: some milliseconds, for a round that others' work falls into doesn't count. What is made before and dropped after all rounds. */
static const struct { const char *name; int n; Step *run, *before, *after; } table[] = {
  { "loop", 8000000, loop, NULL, NULL },
  { "getppid", 20000, getppids, NULL, NULL },
  { "clock_gettime", 20000, clocks, NULL, NULL },
  { "clock_gettime-call", 20000, clockCalls, NULL, NULL },
  { "read-1", 10000, read1, makeFile, closeFile },
  { "read-64k", 500, read64k, makeFile, closeFile },
  { "write-1", 10000, write1, makeFile, closeFile },
  { "write-64k", 500, write64k, makeFile, closeFile },
  { "pread-4k", 5000, pread4k, makeFile, closeFile },
  { "stat", 5000, stats, NULL, NULL },
  { "stat-missing", 5000, statMissing, NULL, NULL },
  { "fstat", 10000, fstats, makeFile, closeFile },
  { "open-close", 2000, opens, NULL, NULL },
  { "getdents-1000", 10, getdents1000, makeNames, dropNames },
  { "creat-unlink", 200, creats, NULL, NULL },
  { "creat-write-unlink", 200, creatWrites, NULL, NULL },
  { "rename", 1000, renames, makeFile, closeFile },
  { "proc-self-stat", 500, procStats, NULL, NULL },
  { "poll-10", 3000, polls, makePipes, dropPipes },
  { "epoll", 3000, epolls, makeEpoll, dropEpoll },
  { "pipe-alone", 5000, pipeAlone, makePipes, dropPipes },
  { "pipe-pingpong", 1000, pipePingPong, startEcho, stopEcho },
  { "pipe-64k", 500, pipeThroughput, startWriter, stopWriter },
  { "socket-pingpong", 1000, socketPingPong, startSocketEcho, stopSocketEcho },
  { "fork", 20, forks, NULL, NULL },
  { "fork-4m", 20, forks, makeArea, dropArea },
  { "vfork", 100, vforks, NULL, NULL },
  { "forkexec", 10, forkExecs, NULL, NULL },
  { "shell", 3, shells, NULL, NULL },
  { "thread", 200, threads, NULL, NULL },
  { "futex-pingpong", 1000, futexPingPong, NULL, NULL },
  { "mmap-munmap", 1000, mmaps, NULL, NULL },
  { "anonymous-fault", 2048, touchPages, NULL, NULL },
  { "file-fault", 8192, filePages, makeFile, closeFile },
  { "cow-fault", 2048, copyOnWrite, makeArea, dropArea },
  { "mprotect", 2048, protects, makeArea, dropArea },
  { "signal", 2000, signals, NULL, NULL },
  { "segv", 1000, segvs, makeArea, dropArea },
};
enum { COUNT = sizeof table / sizeof *table };

static int rounds = 40;

static void measure(int i) {
  double best = 1e300;
  if (table[i].before) table[i].before(table[i].n);
  for (int round = 0; round < rounds; round++) {
    double start = now();
    table[i].run(table[i].n);
    double each = (now() - start) / table[i].n;
    if (each < best) best = each;
  }
  if (table[i].after) table[i].after(table[i].n);
  printf("%s %.3f\n", table[i].name, best);
  fflush(stdout);
}

int main(int argc, char **argv) {
  if (argc < 2) {
    for (int i = 0; i < COUNT; i++) puts(table[i].name);
    return 0;
  }
  const char *parent = getenv("OS_BENCH_DIR");
  snprintf(directory, sizeof directory, "%s/os-bench-XXXXXX", parent ? parent : "/var/tmp");
  must(mkdtemp(directory) && chdir(directory) == 0, directory);
  if (getenv("OS_BENCH_ROUNDS")) rounds = atoi(getenv("OS_BENCH_ROUNDS"));
  int unknown = 0;
  for (int a = 1; a < argc; a++) {
    int found = 0;
    for (int i = 0; i < COUNT; i++) {
      if (strcmp(argv[a], table[i].name) != 0 && strcmp(argv[a], "all") != 0) continue;
      measure(i);
      found = 1;
    }
    if (!found) {
      fprintf(stderr, "os: %s?\n", argv[a]);
      unknown = 1;
    }
  }
  must(chdir("/") == 0 && rmdir(directory) == 0, directory);
  return unknown ? 2 : 0;
}
