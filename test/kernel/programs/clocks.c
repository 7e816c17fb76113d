// clock_gettime(2), nanosleep(2), setitimer(2), timer_create(2), times(2), and small calls about the system.
#define _GNU_SOURCE
#include "check.h"
#include <sched.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <time.h>

static double now(int clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec + time.tv_nsec * 1e-9;
}

static void clocks(void) {
  struct timespec time;
  for (int clock = 0; clock < 8; clock++) say("clock %d: %s %s", clock, outcome(clock_gettime(clock, &time)), outcome(clock_getres(clock, &time)));
  double before = now(CLOCK_MONOTONIC);
  usleep(30000);
  double passed = now(CLOCK_MONOTONIC) - before;
  say("%s", passed >= 0.03 && passed < 1 ? "about 30 ms" : "wrong");
  struct timeval day;
  TELL(gettimeofday(&day, 0));
  say("%s", day.tv_sec > 1600000000 ? "after 2020" : "long ago");
  struct timespec request = {0, 2000000000};
  TELL(nanosleep(&request, 0));
  request = (struct timespec){-1, 0};
  TELL(nanosleep(&request, 0));
  request = (struct timespec){1, 0};
  TELL(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &request, 0));
  say("%s", strerrorname_np(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &request, 0)));
  before = now(CLOCK_PROCESS_CPUTIME_ID);
  for (volatile int i = 0; i < 5000000; i++);
  say("cpu time %s", now(CLOCK_PROCESS_CPUTIME_ID) > before ? "passes" : "stands");
}

static volatile int fired;
static volatile int value;
static void fire(int signal, siginfo_t *info, void *context) {
  fired++;
  value = info->si_value.sival_int;
}

static void timers(void) {
  struct sigaction action = {.sa_sigaction = fire, .sa_flags = SA_SIGINFO};
  sigaction(SIGALRM, &action, 0);
  sigaction(SIGRTMIN, &action, 0);
  sigaction(SIGPROF, &action, 0);
  struct itimerval timer = {{0, 10000}, {0, 10000}}, old;
  TELL(setitimer(ITIMER_REAL, &timer, 0));
  while (fired < 3) pause();
  timer = (struct itimerval){{0, 0}, {0, 0}};
  TELL(setitimer(ITIMER_REAL, &timer, &old));
  say("interval %ld", (long)old.it_interval.tv_usec);
  TELL(alarm(10));
  TELL(alarm(0));
  TELL(alarm(0));
  fired = 0;
  timer = (struct itimerval){{0, 0}, {0, 20000}};
  setitimer(ITIMER_PROF, &timer, 0);
  while (!fired) for (volatile int i = 0; i < 100000; i++);
  say("prof %d", fired);
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 77};
  timer_t id;
  TELL(timer_create(CLOCK_MONOTONIC, &event, &id));
  struct itimerspec setting = {{0, 0}, {0, 10000000}}, current;
  fired = 0;
  TELL(timer_settime(id, 0, &setting, 0));
  TELL(timer_gettime(id, &current));
  say("armed %d", current.it_value.tv_nsec > 0);
  while (!fired) pause();
  say("value %d", value);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN);
  sigprocmask(SIG_BLOCK, &set, 0);
  setting.it_interval.tv_nsec = 5000000;
  timer_settime(id, 0, &setting, 0);
  usleep(60000);
  siginfo_t info;
  sigwaitinfo(&set, &info);
  say("overrun %s", info.si_overrun >= 3 ? "counted" : "lost");
  TELL(timer_delete(id));
  TELL(timer_delete(id));
  TELL(timer_create(99, &event, &id));
}

static void systems(void) {
  struct utsname names;
  TELL(uname(&names));
  say("%s %s", names.sysname, names.machine);
  struct sysinfo info;
  TELL(sysinfo(&info));
  say("%d %d", info.totalram > 0, info.mem_unit);
  char bytes[16] = {0};
  TELL(getrandom(bytes, 16, 0));
  TELL(getrandom(bytes, 16, 99));
  TELL(getrandom((void *)8, 16, 0));
  TELL(sched_yield());
  TELL(sched_get_priority_max(SCHED_FIFO));
  TELL(sched_getscheduler(0));
  struct tms times_;
  TELL(times(&times_) > 0);
  struct rusage usage;
  TELL(getrusage(RUSAGE_SELF, &usage));
  TELL(getrusage(5, &usage));
  TELL(syscall(SYS_getpid) == getpid());
}

int main(void) {
  clocks();
  timers();
  systems();
  return 0;
}
