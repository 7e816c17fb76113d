// eventfd(2), timerfd_create(2), signalfd(2), epoll(7), inotify(7).
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

static void eventfds(void) {
  uint64_t value;
  int fd = eventfd(3, EFD_NONBLOCK);
  TELL(read(fd, &value, 4));
  TELL(read(fd, &value, 8));
  say("%lu", value);
  TELL(read(fd, &value, 8));
  value = UINT64_MAX;
  TELL(write(fd, &value, 8));
  value = UINT64_MAX - 1;
  TELL(write(fd, &value, 8));
  value = 1;
  TELL(write(fd, &value, 8));
  TELL(read(fd, &value, 8));
  say("%lx", value);
  close(fd);
  fd = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
  TELL(read(fd, &value, 8));
  say("%lu", value);
  TELL(read(fd, &value, 8));
  TELL(read(fd, &value, 8));
  TELL(eventfd(0, 0x10));
  close(fd);
}

static void timerfds(void) {
  uint64_t value;
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  struct itimerspec setting = {.it_value = {0, 20000000}, .it_interval = {0, 20000000}}, old;
  TELL(timerfd_settime(fd, 0, &setting, &old));
  say("old %ld %ld", (long)old.it_value.tv_sec, old.it_value.tv_nsec);
  TELL(read(fd, &value, 8));
  usleep(70000);
  TELL(read(fd, &value, 8));
  say("%s", value >= 3 ? "at least 3" : "too few");
  fcntl(fd, F_SETFL, 0);
  TELL(read(fd, &value, 8));
  TELL(timerfd_gettime(fd, &old));
  say("interval %ld", old.it_interval.tv_nsec);
  memset(&setting, 0, sizeof setting);
  TELL(timerfd_settime(fd, 0, &setting, 0));
  fcntl(fd, F_SETFL, O_NONBLOCK);
  TELL(read(fd, &value, 8));
  setting.it_value.tv_sec = 1;
  TELL(timerfd_settime(fd, TFD_TIMER_ABSTIME, &setting, 0));
  fcntl(fd, F_SETFL, 0);
  TELL(read(fd, &value, 8));
  setting.it_value.tv_nsec = 1000000000;
  TELL(timerfd_settime(fd, 0, &setting, 0));
  TELL(timerfd_create(99, 0));
  TELL(timerfd_gettime(0, &old));
  close(fd);
}

static void signalfds(void) {
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR1);
  sigaddset(&mask, SIGRTMIN);
  sigprocmask(SIG_BLOCK, &mask, 0);
  int fd = signalfd(-1, &mask, SFD_NONBLOCK);
  struct signalfd_siginfo infos[4];
  TELL(read(fd, infos, sizeof infos));
  kill(getpid(), SIGUSR1);
  kill(getpid(), SIGUSR1);
  sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 5});
  sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 6});
  TELL(read(fd, infos, 100));
  TELL(read(fd, infos, sizeof infos) / (long)sizeof infos[0]);
  say("%d %d %d, code %d, value %d %d", infos[0].ssi_signo, infos[1].ssi_signo - SIGRTMIN, infos[2].ssi_signo - SIGRTMIN, infos[1].ssi_code,
      infos[1].ssi_int, infos[2].ssi_int);
  fcntl(fd, F_SETFL, 0);
  if (fork() == 0) {
    usleep(20000);
    kill(getppid(), SIGUSR1);
    _exit(0);
  }
  TELL(read(fd, infos, sizeof infos[0]));
  wait(0);
  close(fd);
}

static void show(int count, struct epoll_event *events) {
  char line[200] = "";
  for (int i = 0; i < count; i++) sprintf(line + strlen(line), " %x:%d", events[i].events, events[i].data.fd);
  say("%d%s", count, line);
}

static void epolls(void) {
  struct epoll_event events[8], event = {.events = EPOLLIN, .data.fd = 1};
  int pair[2];
  char buffer[8];
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  int set = epoll_create1(0);
  TELL(epoll_ctl(set, EPOLL_CTL_ADD, pair[0], &event));
  TELL(epoll_ctl(set, EPOLL_CTL_ADD, pair[0], &event));
  TELL(epoll_ctl(set, EPOLL_CTL_MOD, pair[1], &event));
  TELL(epoll_ctl(set, EPOLL_CTL_ADD, set, &event));
  int file = open("regular", O_CREAT | O_RDWR, 0600);
  TELL(epoll_ctl(set, EPOLL_CTL_ADD, file, &event));
  unlink("regular");
  TELL(epoll_ctl(set, EPOLL_CTL_ADD, open("/dev/null", O_RDWR), &event));
  TELL(epoll_ctl(set, EPOLL_CTL_ADD, 12345, &event));
  show(epoll_wait(set, events, 8, 0), events);
  write(pair[1], "ab", 2);
  show(epoll_wait(set, events, 8, 0), events);
  show(epoll_wait(set, events, 8, 0), events);
  read(pair[0], buffer, 8);
  show(epoll_wait(set, events, 8, 0), events);
  event.events = EPOLLIN | EPOLLOUT | EPOLLET;
  event.data.fd = 2;
  TELL(epoll_ctl(set, EPOLL_CTL_MOD, pair[0], &event));
  show(epoll_wait(set, events, 8, 0), events);
  show(epoll_wait(set, events, 8, 0), events);
  write(pair[1], "c", 1);
  show(epoll_wait(set, events, 8, 0), events);
  show(epoll_wait(set, events, 8, 0), events);
  event.events = EPOLLIN | EPOLLONESHOT;
  event.data.fd = 3;
  TELL(epoll_ctl(set, EPOLL_CTL_MOD, pair[0], &event));
  show(epoll_wait(set, events, 8, 0), events);
  show(epoll_wait(set, events, 8, 0), events);
  event.events = EPOLLIN | EPOLLRDHUP;
  epoll_ctl(set, EPOLL_CTL_MOD, pair[0], &event);
  shutdown(pair[1], SHUT_WR);
  show(epoll_wait(set, events, 8, 0), events);
  close(pair[1]);
  show(epoll_wait(set, events, 8, 0), events);
  int copy = dup(pair[0]);
  close(pair[0]);
  show(epoll_wait(set, events, 8, 0), events);
  close(copy);
  show(epoll_wait(set, events, 8, 0), events);
  int outer = epoll_create1(0), wake = eventfd(0, 0);
  event.events = EPOLLIN;
  event.data.fd = 4;
  TELL(epoll_ctl(set, EPOLL_CTL_ADD, wake, &event));
  TELL(epoll_ctl(outer, EPOLL_CTL_ADD, set, &event));
  TELL(epoll_ctl(set, EPOLL_CTL_ADD, outer, &event));
  if (fork() == 0) {
    usleep(20000);
    uint64_t one = 1;
    write(wake, &one, 8);
    _exit(0);
  }
  show(epoll_wait(outer, events, 8, 5000), events);
  wait(0);
  TELL(epoll_wait(outer, events, 0, 0));
  TELL(epoll_wait(0, events, 1, 0));
}

static void drain(int fd) {
  char buffer[4096];
  ssize_t used = read(fd, buffer, sizeof buffer);
  for (ssize_t at = 0; at < used;) {
    struct inotify_event *event = (void *)(buffer + at);
    say("wd %d mask %x%s name '%s'", event->wd, event->mask, event->cookie ? " cookie" : "", event->len ? event->name : "");
    at += sizeof *event + event->len;
  }
  if (used < 0) say("%s", outcome(used));
}

static void inotifys(void) {
  int fd = inotify_init1(IN_NONBLOCK);
  mkdir("watched", 0700);
  TELL(inotify_add_watch(fd, "watched", IN_ALL_EVENTS));
  int file = open("watched/a", O_CREAT | O_RDWR, 0600);
  write(file, "x", 1);
  char byte;
  pread(file, &byte, 1, 0);
  fchmod(file, 0644);
  close(file);
  drain(fd);
  TELL(inotify_add_watch(fd, "watched/a", IN_MODIFY | IN_DELETE_SELF | IN_ATTRIB));
  rename("watched/a", "watched/b");
  truncate("watched/b", 0);
  drain(fd);
  mkdir("watched/d", 0700);
  rmdir("watched/d");
  unlink("watched/b");
  drain(fd);
  TELL(inotify_rm_watch(fd, 1));
  drain(fd);
  TELL(inotify_rm_watch(fd, 1));
  TELL(inotify_add_watch(fd, "watched", IN_CREATE | IN_ONESHOT));
  close(creat("watched/1", 0600));
  close(creat("watched/2", 0600));
  drain(fd);
  TELL(inotify_add_watch(fd, "watched/1", IN_ONLYDIR | IN_OPEN));
  unlink("watched/1");
  unlink("watched/2");
  rmdir("watched");
  close(fd);
}

int main(void) {
  eventfds();
  timerfds();
  signalfds();
  epolls();
  inotifys();
}
