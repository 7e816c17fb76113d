// pthreads over clone(2) and futex(2): mutexes of all kinds, condition variables, barriers, thread-local data, exit and exec with threads.
#define _GNU_SOURCE
#include "check.h"
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static long total;
static int turn;
static __thread int mine = 1;

static void *adding(void *argument) {
  for (int i = 0; i < 20000; i++) {
    pthread_mutex_lock(&mutex);
    total += (long)argument;
    pthread_mutex_unlock(&mutex);
    mine++;
  }
  return (void *)(long)mine;
}

static void *playing(void *argument) {
  int me = (int)(long)argument;
  for (int i = 0; i < 500; i++) {
    pthread_mutex_lock(&mutex);
    while (turn != me) pthread_cond_wait(&condition, &mutex);
    turn = !me;
    pthread_cond_broadcast(&condition);
    pthread_mutex_unlock(&mutex);
  }
  return 0;
}

static void basics(void) {
  pthread_t threads[4];
  void *result;
  for (long i = 0; i < 4; i++) pthread_create(&threads[i], 0, adding, (void *)(i + 1));
  for (int i = 0; i < 4; i++) {
    pthread_join(threads[i], &result);
    say("%ld", (long)result);
  }
  say("total %ld mine %d", total, mine);
  for (long i = 0; i < 2; i++) pthread_create(&threads[i], 0, playing, (void *)i);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], 0);
  say("turn %d", turn);
}

static void *holding(void *argument) {
  pthread_mutex_lock(argument);
  return 0;
}

static void kinds(void) {
  pthread_mutexattr_t attributes;
  pthread_mutex_t lock;
  pthread_t thread;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&lock, &attributes);
  pthread_create(&thread, 0, holding, &lock);
  pthread_join(thread, 0);
  say("robust %s", strerrorname_np(pthread_mutex_lock(&lock)));
  say("%d", pthread_mutex_consistent(&lock));
  say("%d", pthread_mutex_unlock(&lock));
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT);
  say("pi %d", pthread_mutex_init(&lock, &attributes));
  say("%d", pthread_mutex_lock(&lock));
  say("%s", strerrorname_np(pthread_mutex_trylock(&lock)));
  struct timespec deadline;
  clock_gettime(CLOCK_REALTIME, &deadline);
  deadline.tv_nsec += 20000000;
  if (deadline.tv_nsec >= 1000000000) deadline.tv_sec++, deadline.tv_nsec -= 1000000000;
  pthread_create(&thread, 0, holding, &lock);
  usleep(10000);
  say("%d", pthread_mutex_unlock(&lock));
  pthread_join(thread, 0);
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
  pthread_mutex_init(&lock, &attributes);
  pthread_mutex_lock(&lock);
  say("%s", strerrorname_np(pthread_mutex_lock(&lock)));
  pthread_mutexattr_init(&attributes);
  pthread_mutex_init(&lock, &attributes);
  pthread_mutex_lock(&lock);
  say("%s", strerrorname_np(pthread_mutex_timedlock(&lock, &deadline)));
}

static void *atBarrier(void *argument) {
  return (void *)(long)(pthread_barrier_wait(argument) == PTHREAD_BARRIER_SERIAL_THREAD);
}

static void others(void) {
  pthread_barrier_t barrier;
  pthread_t threads[3];
  long serial = 0;
  void *result;
  pthread_barrier_init(&barrier, 0, 3);
  for (int i = 0; i < 3; i++) pthread_create(&threads[i], 0, atBarrier, &barrier);
  for (int i = 0; i < 3; i++) {
    pthread_join(threads[i], &result);
    serial += (long)result;
  }
  say("serial %ld", serial);
  sem_t *semaphore = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  sem_init(semaphore, 1, 0);
  if (fork() == 0) {
    usleep(10000);
    sem_post(semaphore);
    _exit(0);
  }
  say("semaphore %d", sem_wait(semaphore));
  wait(0);
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_t *lock = (pthread_mutex_t *)(semaphore + 1);
  pthread_mutex_init(lock, &attributes);
  if (fork() == 0) {
    pthread_mutex_lock(lock);
    _exit(0);
  }
  wait(0);
  say("owner died: %s", strerrorname_np(pthread_mutex_lock(lock)));
}

static void raw(void) {
  unsigned word = 5;
  struct timespec short_ = {0, 10000000};
  TELL(syscall(SYS_futex, &word, FUTEX_WAIT, 4, 0));
  TELL(syscall(SYS_futex, &word, FUTEX_WAIT, 5, &short_));
  TELL(syscall(SYS_futex, &word, FUTEX_WAKE, 1));
  TELL(syscall(SYS_futex, (char *)&word + 1, FUTEX_WAKE, 1));
  TELL(syscall(SYS_futex, 8, FUTEX_WAIT, 0, 0));
  TELL(syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 5, &short_, 0, 0));
  TELL(syscall(SYS_futex, &word, FUTEX_CMP_REQUEUE, 1, 1, &word, 4));
  TELL(syscall(SYS_futex, &word, 99, 1));
}

static void *exiting(void *argument) {
  usleep(5000);
  exit(33);
}

static void *executing(void *argument) {
  execl("/bin/echo", "echo", "executed by a thread", (char *)0);
  return 0;
}

static void ends(void) {
  pthread_t thread;
  int status;
  if (fork() == 0) {
    pthread_create(&thread, 0, exiting, 0);
    for (;;) pause();
  }
  wait(&status);
  say("exit %d", WEXITSTATUS(status));
  if (fork() == 0) {
    pthread_create(&thread, 0, executing, 0);
    for (;;) pause();
  }
  wait(&status);
  say("exec %d", status);
  if (fork() == 0) {
    pthread_create(&thread, 0, exiting, 0);
    pthread_exit(0);
  }
  wait(&status);
  say("main thread first %d", WEXITSTATUS(status));
  if (fork() == 0) {
    pthread_create(&thread, 0, exiting, 0);
    pthread_detach(thread);
    *(volatile int *)0 = 1;
  }
  wait(&status);
  say("fault %d", WTERMSIG(status));
}

static void *cancelled(void *argument) {
  for (;;) pause();
}

int main(void) {
  basics();
  kinds();
  others();
  raw();
  ends();
  pthread_t thread;
  void *result;
  pthread_create(&thread, 0, cancelled, 0);
  usleep(5000);
  pthread_cancel(thread);
  pthread_join(thread, &result);
  say("cancelled %d", result == PTHREAD_CANCELED);
  return 0;
}
