// pipe(7), fifo(7), splice(2), poll(2), select(2), descriptors.
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

static volatile sig_atomic_t caught;
static void note(int signal) { caught = signal; }

static void basics(void) {
  int p[2];
  char buffer[70000];
  TELL(pipe2(p, O_NONBLOCK));
  TELL(read(p[0], buffer, 10));
  TELL(write(p[1], "hello", 5));
  int count;
  TELL(ioctl(p[0], FIONREAD, &count));
  say("readable %d", count);
  TELL(read(p[0], buffer, 3));
  TELL(read(p[0], buffer, 10));
  memset(buffer, 'x', sizeof buffer);
  TELL(write(p[1], buffer, sizeof buffer));
  TELL(write(p[1], buffer, 1));
  TELL(read(p[0], buffer, 100));
  TELL(write(p[1], buffer, 4096));
  TELL(fcntl(p[1], F_GETPIPE_SZ));
  TELL(fcntl(p[1], F_SETPIPE_SZ, 4096));
  TELL(fcntl(p[1], F_SETPIPE_SZ, 100000));
  TELL(lseek(p[0], 0, SEEK_SET));
  TELL(pread(p[0], buffer, 1, 0));
  TELL(read(p[1], buffer, 1));
  TELL(write(p[0], buffer, 1));
  struct pollfd fds[2] = {{p[0], POLLIN, 0}, {p[1], POLLOUT, 0}};
  TELL(poll(fds, 2, 0));
  say("revents %x %x", fds[0].revents, fds[1].revents);
  close(p[0]);
  signal(SIGPIPE, note);
  TELL(write(p[1], "x", 1));
  say("caught %d", caught);
  TELL(poll(fds + 1, 1, 0));
  say("revents %x", fds[1].revents);
  close(p[1]);
  TELL(pipe2(p, 1));
  TELL(pipe2((void *)8, 0));
}

static void packets(void) {
  int p[2];
  char buffer[16] = "";
  TELL(pipe2(p, O_DIRECT | O_NONBLOCK));
  TELL(write(p[1], "abcdef", 6));
  TELL(write(p[1], "gh", 2));
  TELL(read(p[0], buffer, 3));
  TELL(read(p[0], buffer, 16));
  say("%.2s", buffer);
  close(p[0]);
  close(p[1]);
}

static void blocking(void) {
  int p[2], q[2], status;
  char buffer[1000];
  pipe(p);
  pipe(q);
  if (fork() == 0) {
    // Writes more than a pipe holds, then ends.
    close(p[0]);
    char *big = calloc(1, 300000);
    ssize_t written = write(p[1], big, 300000);
    write(q[1], &written, sizeof written);
    _exit(7);
  }
  close(p[1]);
  long total = 0;
  for (ssize_t n; (n = read(p[0], buffer, sizeof buffer)) > 0;) total += n;
  ssize_t written;
  read(q[0], &written, sizeof written);
  wait(&status);
  say("child wrote %zd, parent read %ld, status %x", written, total, status);
  struct sigaction action = {.sa_handler = note};
  sigaction(SIGALRM, &action, 0);
  caught = 0;
  ualarm(20000, 0);
  TELL(read(q[0], buffer, 1));
  say("caught %d", caught);
  action.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &action, 0);
  if (fork() == 0) {
    usleep(60000);
    write(q[1], "r", 1);
    _exit(0);
  }
  ualarm(20000, 0);
  TELL(read(q[0], buffer, 1));
  wait(&status);
  ualarm(20000, 0);
  struct pollfd none = {q[0], POLLIN, 0};
  TELL(poll(&none, 1, 1000));
  TELL(poll(&none, 1, 10));
}

static void fifos(void) {
  char buffer[8];
  int status;
  unlink("fifo");
  TELL(mkfifo("fifo", 0600));
  TELL(mkfifo("fifo", 0600));
  TELL(open("fifo", O_WRONLY | O_NONBLOCK));
  int r = open("fifo", O_RDONLY | O_NONBLOCK);
  TELL(read(r, buffer, 8));
  struct pollfd fd = {r, POLLIN, 0};
  TELL(poll(&fd, 1, 0));
  int w = open("fifo", O_WRONLY | O_NONBLOCK);
  TELL(read(r, buffer, 8));
  TELL(write(w, "abc", 3));
  close(w);
  TELL(poll(&fd, 1, 0));
  say("revents %x", fd.revents);
  TELL(read(r, buffer, 8));
  TELL(read(r, buffer, 8));
  close(r);
  if (fork() == 0) {
    int out = open("fifo", O_WRONLY);
    write(out, "child", 5);
    _exit(0);
  }
  r = open("fifo", O_RDONLY);
  TELL(read(r, buffer, 8));
  wait(&status);
  TELL(read(r, buffer, 8));
  close(r);
  struct stat st;
  stat("fifo", &st);
  say("mode %o", st.st_mode);
  unlink("fifo");
}

static void moving(void) {
  int p[2], q[2];
  char buffer[64] = "";
  pipe2(p, O_NONBLOCK);
  pipe2(q, O_NONBLOCK);
  int f = open("moved", O_RDWR | O_CREAT | O_TRUNC, 0600);
  write(f, "0123456789", 10);
  loff_t offset = 3;
  TELL(splice(f, &offset, p[1], 0, 100, 0));
  say("offset %ld, position %ld", (long)offset, (long)lseek(f, 0, SEEK_CUR));
  TELL(tee(p[0], q[1], 100, 0));
  TELL(read(q[0], buffer, 64));
  TELL(splice(p[0], 0, q[1], 0, 4, 0));
  TELL(read(q[0], buffer, 64));
  TELL(splice(p[0], 0, q[1], 0, 100, SPLICE_F_NONBLOCK));
  TELL(splice(p[0], 0, q[1], 0, 100, SPLICE_F_NONBLOCK));
  TELL(splice(f, 0, f, 0, 10, 0));
  off_t at = 2;
  TELL(sendfile(p[1], f, &at, 5));
  say("at %ld", (long)at);
  int g = open("copy", O_RDWR | O_CREAT | O_TRUNC, 0600);
  offset = 4;
  TELL(copy_file_range(f, &offset, g, 0, 100, 0));
  TELL(copy_file_range(f, &offset, p[1], 0, 100, 0));
  struct iovec parts[2] = {{"ab", 2}, {"cde", 3}};
  TELL(pwritev(g, parts, 2, 1));
  TELL(pread(g, buffer, 64, 0));
  say("%.6s", buffer);
  TELL(writev(g, parts, -1));
  unlink("moved");
  unlink("copy");
}

static void reopened(void) {
  int p[2];
  char name[40], buffer[16] = "";
  pipe2(p, O_NONBLOCK);
  sprintf(name, "/proc/self/fd/%d", p[1]);
  int again = open(name, O_WRONLY);
  TELL(write(again, "again", 5));
  TELL(read(p[0], buffer, 16));
  say("%s", buffer);
  sprintf(name, "/dev/fd/%d", p[0]);
  int reader = open(name, O_RDONLY | O_NONBLOCK);
  write(p[1], "x", 1);
  TELL(read(reader, buffer, 16));
  close(p[1]);
  TELL(read(reader, buffer, 16));
  close(again);
  TELL(read(reader, buffer, 16));
  // Nobody writes any more: opening doesn't wait for one.
  TELL(read(open(name, O_RDONLY), buffer, 16));
}

static void descriptors(void) {
  int base = dup(0);
  close(base);
  TELL(dup2(0, base + 5) - base);
  TELL(fcntl(0, F_DUPFD, base + 2) - base);
  TELL(dup2(0, -1));
  TELL(dup2(99, 98));
  TELL(dup3(0, 0, 0));
  TELL(dup3(0, base, O_CLOEXEC) - base);
  TELL(fcntl(base, F_GETFD));
  TELL(fcntl(base, F_SETFD, 0));
  TELL(fcntl(base, F_GETFD));
  TELL(close_range(base, base + 10, 0));
  TELL(fcntl(base + 5, F_GETFD));
  TELL(close_range(5, 4, 0));
  fd_set set;
  FD_ZERO(&set);
  FD_SET(base, &set);
  struct timeval soon = {0, 1000};
  TELL(select(base + 1, &set, 0, 0, &soon));
  FD_ZERO(&set);
  TELL(select(0, 0, 0, 0, &soon));
  TELL(select(-1, 0, 0, 0, &soon));
}

int main(void) {
  basics();
  packets();
  blocking();
  fifos();
  moving();
  reopened();
  descriptors();
}
