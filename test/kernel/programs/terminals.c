// pty(7), termios(3), ioctl_tty(2), job control.
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

static int master, slave;

// What is there to read now, with control characters shown.
static void show(const char *what, int fd) {
  char bytes[5000], line[12000] = "";
  struct pollfd ready = {fd, POLLIN, 0};
  if (poll(&ready, 1, 30) == 0) {
    say("%s: nothing", what);
    return;
  }
  ssize_t count = read(fd, bytes, sizeof bytes);
  if (count < 0) {
    say("%s: %s", what, strerrorname_np(errno));
    return;
  }
  for (ssize_t i = 0; i < count; i++) {
    unsigned char c = bytes[i];
    sprintf(line + strlen(line), c < 32 || c > 126 ? "\\%02x" : "%c", c);
  }
  if (count > 200) say("%s: %zd bytes", what, count);
  else say("%s: '%s'", what, line);
}

// Reads `count` bytes of echo, as far as they come.
static long swallow(long count) {
  long got = 0;
  char bytes[4096];
  struct pollfd ready = {master, POLLIN, 0};
  while (got < count && poll(&ready, 1, 300) == 1) got += read(master, bytes, sizeof bytes);
  return got;
}

static void type(const char *keys) {
  write(master, keys, strlen(keys));
  show("echo", master);
}

static void canonical(void) {
  struct termios t;
  tcgetattr(slave, &t);
  say("flags %o %o %o %o", t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag);
  type("ls\r");
  show("read", slave);
  type("ab\x7f" "c\x15" "one two\x17three\r");
  show("read", slave);
  type("a\tb\x7f\x7f\x7f\r");
  show("read", slave);
  type("\x01\x1b[A\x7f\x16\x03\r");
  show("read", slave);
  type("partial");
  show("read", slave);
  type("\x12");
  type("\x04");
  show("read", slave);
  type("\x04");
  show("read", slave);
  type("one\rtwo\rthr");
  int count;
  ioctl(slave, FIONREAD, &count);
  say("readable %d", count);
  show("read", slave);
  show("read", slave);
  tcflush(slave, TCIFLUSH);
  type("\xc3\xa9\x7f\xe2\x82\xac\r");
  show("read", slave);
  char big[6000];
  memset(big, 'x', sizeof big);
  write(master, big, 3000);
  long echoed = swallow(3000);
  write(master, big, 3000);
  echoed += swallow(3000);
  write(master, "\r", 1);
  say("echo: %ld bytes", echoed + swallow(2));
  show("read", slave);
  t.c_lflag &= ~ECHO;
  t.c_lflag |= ECHONL;
  tcsetattr(slave, TCSANOW, &t);
  type("secret\r");
  show("read", slave);
  t.c_lflag |= ECHO | ECHOPRT;
  t.c_iflag |= INLCR | IUCLC;
  t.c_cc[VEOL] = '!';
  tcsetattr(slave, TCSANOW, &t);
  type("ABC\x7f\x7fx!");
  show("read", slave);
}

static void raw(void) {
  struct termios t;
  tcgetattr(slave, &t);
  cfmakeraw(&t);
  t.c_cc[VMIN] = 1;
  t.c_cc[VTIME] = 0;
  tcsetattr(slave, TCSAFLUSH, &t);
  type("a\r\x03\x7f");
  show("read", slave);
  t.c_cc[VMIN] = 0;
  tcsetattr(slave, TCSANOW, &t);
  char buffer[10];
  TELL(read(slave, buffer, 10));
  t.c_cc[VTIME] = 1;
  tcsetattr(slave, TCSANOW, &t);
  TELL(read(slave, buffer, 10));
  t.c_cc[VMIN] = 4;
  tcsetattr(slave, TCSANOW, &t);
  write(master, "xy", 2);
  TELL(read(slave, buffer, 10));
  write(master, "12345678", 8);
  TELL(read(slave, buffer, 3));
  TELL(read(slave, buffer, 10));
  write(slave, "a\nb", 3);
  show("master", master);
  t.c_oflag |= OPOST | ONLCR | XTABS;
  tcsetattr(slave, TCSANOW, &t);
  write(slave, "a\tb\nc", 5);
  show("master", master);
  t.c_oflag = OPOST | OCRNL | OLCUC;
  tcsetattr(slave, TCSANOW, &t);
  write(slave, "xyz\r", 4);
  show("master", master);
}

static void flow(void) {
  int fds[2];
  close(master);
  close(slave);
  openpty(&master, &slave, 0, 0, 0);
  fcntl(slave, F_SETFL, O_NONBLOCK);
  type("\x13");
  TELL(write(slave, "x", 1));
  type("q");
  type("\x11");
  TELL(write(slave, "x", 1));
  show("master", master);
  tcflow(slave, TCOOFF);
  TELL(write(slave, "x", 1));
  tcflow(slave, TCOON);
  int on = 1;
  TELL(ioctl(master, TIOCPKT, &on));
  write(slave, "data", 4);
  show("packet", master);
  tcflush(slave, TCIOFLUSH);
  show("packet", master);
  TELL(ioctl(slave, TIOCPKT, &on));
  TELL(ioctl(slave, TIOCGPGRP, &on));
  struct winsize size = {24, 80, 0, 0}, got;
  TELL(ioctl(master, TIOCSWINSZ, &size));
  TELL(ioctl(slave, TIOCGWINSZ, &got));
  say("%d x %d", got.ws_row, got.ws_col);
  pipe(fds);
  TELL(ioctl(fds[0], TIOCGWINSZ, &got));
  TELL(isatty(slave));
  close(fds[0]);
  close(fds[1]);
}

static volatile sig_atomic_t seen[65];
static void note(int signal) { seen[signal]++; }

// Waits until `fd` gives one byte or two seconds are over.
static char token(int fd) {
  char byte = '?';
  struct pollfd ready = {fd, POLLIN, 0};
  if (poll(&ready, 1, 2000) == 1) read(fd, &byte, 1);
  return byte;
}

static void child(int report) {
  struct sigaction action = {.sa_handler = note};
  for (int s = 1; s < 32; s++)
    if (s == SIGINT || s == SIGQUIT || s == SIGWINCH || s == SIGHUP || s == SIGCONT) sigaction(s, &action, 0);
  write(report, "r", 1);
  while (!seen[SIGINT]) pause();
  write(report, "i", 1);
  while (!seen[SIGQUIT]) pause();
  write(report, "q", 1);
  while (!seen[SIGWINCH]) pause();
  write(report, "w", 1);
  // A background job that reads is stopped, goes on in the foreground.
  pid_t job = fork();
  if (job == 0) {
    setpgid(0, 0);
    char buffer[10];
    ssize_t n = read(slave, buffer, 10);
    _exit(n == 3 ? 33 : 1);
  }
  setpgid(job, job);
  int status;
  waitpid(job, &status, WUNTRACED);
  write(report, WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTIN ? "t" : "!", 1);
  signal(SIGTTOU, SIG_IGN);
  tcsetpgrp(slave, job);
  kill(-job, SIGCONT);
  write(report, "f", 1);
  waitpid(job, &status, 0);
  write(report, WIFEXITED(status) && WEXITSTATUS(status) == 33 ? "d" : "!", 1);
  tcsetpgrp(slave, getpgrp());
  signal(SIGTTOU, SIG_DFL);
  // One that changes settings is stopped, with or without TOSTOP.
  job = fork();
  if (job == 0) {
    setpgid(0, 0);
    struct termios t;
    tcgetattr(slave, &t);
    tcsetattr(slave, TCSANOW, &t);
    _exit(0);
  }
  waitpid(job, &status, WUNTRACED);
  write(report, WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTOU ? "o" : "!", 1);
  kill(job, SIGKILL);
  waitpid(job, &status, 0);
  while (!seen[SIGHUP]) pause();
  char byte;
  write(report, read(slave, &byte, 1) == 0 ? "h" : "!", 1);
  write(report, write(slave, "x", 1) < 0 && errno == EIO ? "e" : "!", 1);
  _exit(5);
}

static void jobs(void) {
  int report[2], status;
  pipe(report);
  close(master);
  close(slave);
  openpty(&master, &slave, 0, 0, 0);
  pid_t pid = fork();
  if (pid == 0) {
    close(master);
    setsid();
    ioctl(slave, TIOCSCTTY, 0);
    int tty = open("/dev/tty", O_RDWR);
    if (tty < 0 || tcgetpgrp(tty) != getpid() || tcgetsid(tty) != getpid()) write(report[1], "!", 1);
    close(tty);
    child(report[1]);
  }
  close(slave);
  say("%c", token(report[0]));
  write(master, "\x03", 1);
  say("%c", token(report[0]));
  write(master, "\x1c", 1);
  say("%c", token(report[0]));
  struct winsize size = {30, 100, 0, 0};
  ioctl(master, TIOCSWINSZ, &size);
  say("%c", token(report[0]));
  say("%c", token(report[0]));
  say("%c", token(report[0]));
  write(master, "ab\r", 3);
  say("%c", token(report[0]));
  say("%c", token(report[0]));
  close(master);
  say("%c", token(report[0]));
  say("%c", token(report[0]));
  waitpid(pid, &status, 0);
  say("status %x", status);
  TELL(open("/dev/tty", O_RDWR) >= 0 || errno == ENXIO);
}

static void ends(void) {
  openpty(&master, &slave, 0, 0, 0);
  write(slave, "bye", 3);
  close(slave);
  struct pollfd fd = {master, POLLIN | POLLOUT, 0};
  poll(&fd, 1, 0);
  say("hang-up %d, input %d", !!(fd.revents & POLLHUP), !!(fd.revents & POLLIN));
  show("master", master);
  show("master", master);
  int number;
  TELL(ioctl(master, TIOCGPTN, &number));
  slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
  say("peer %d", slave >= 0);
  fcntl(master, F_SETFL, O_NONBLOCK);
  char byte;
  TELL(read(master, &byte, 1));
}

int main(void) {
  openpty(&master, &slave, 0, 0, 0);
  canonical();
  raw();
  flow();
  jobs();
  ends();
}
