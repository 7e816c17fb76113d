// mmap(2), mprotect(2), mremap(2), madvise(2), brk(2), msync(2), fork's copies.
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define PAGE 4096

static char *anonymous(size_t pages, int protection) {
  return mmap(0, pages * PAGE, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void errors(void) {
  TELL(mmap(0, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  TELL(mmap(0, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0));
  TELL(mmap(0, PAGE, PROT_READ, MAP_PRIVATE, -1, 0));
  TELL(mmap((void *)1, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
  TELL(mmap(0, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 1));
  TELL(mmap(0, 1UL << 50, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  TELL(munmap((void *)1, PAGE));
  TELL(munmap((void *)PAGE, 0));
  TELL(mprotect((void *)PAGE, PAGE, PROT_READ));
  TELL(mprotect((void *)1, PAGE, PROT_READ));
  TELL(madvise((void *)PAGE, PAGE, MADV_DONTNEED));
  TELL(msync((void *)PAGE, PAGE, MS_SYNC));
  int fd = open("/tmp", O_RDONLY);
  TELL(mmap(0, PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
  close(fd);
  fd = open("/dev/null", O_RDONLY);
  TELL(mmap(0, PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
  close(fd);
  char *page = anonymous(4, PROT_READ | PROT_WRITE);
  TELL(mmap(page, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
  TELL(madvise(page, PAGE, 12345));
  TELL(munmap(page + PAGE, PAGE));
  TELL(mprotect(page, 4 * PAGE, PROT_READ));
  TELL(mremap(page, 2 * PAGE, PAGE * 4, MREMAP_MAYMOVE));
}

static void files(void) {
  int fd = open("/tmp/memory.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
  write(fd, "hello world", 11);
  char *shared = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  char *private = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  say("%s %s", shared, private);
  shared[0] = 'J';
  say("%s %s", shared, private);
  private[1] = 'u';
  say("%s %s", shared, private);
  char text[12] = "";
  pread(fd, text, 11, 0);
  say("%s", text);
  pwrite(fd, "W", 1, 6);
  say("%s %s", shared, private);
  say("beyond the end %d", shared[100]);
  TELL(msync(shared, PAGE, MS_SYNC));
  TELL(msync(shared, PAGE, MS_SYNC | MS_ASYNC));
  TELL(ftruncate(fd, 3 * PAGE));
  char *more = mremap(shared, PAGE, 3 * PAGE, MREMAP_MAYMOVE);
  say("%s %d", more, more[2 * PAGE]);
  more[2 * PAGE] = 'x';
  pread(fd, text, 1, 2 * PAGE);
  say("%c", text[0]);
  int status;
  if (fork() == 0) {
    more[5] = '_';
    private[2] = '#';
    _exit(0);
  }
  wait(&status);
  say("%s %s", more, private);
  munmap(more, 3 * PAGE);
  close(fd);
  fd = open("/tmp/memory.tmp", O_RDONLY);
  TELL(mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  char *readOnly = mmap(0, PAGE, PROT_READ, MAP_SHARED, fd, 0);
  TELL(mprotect(readOnly, PAGE, PROT_READ | PROT_WRITE));
  read(fd, text, 11);
  say("%.11s", text);
  unsigned char resident[1];
  TELL(mincore(readOnly, PAGE, resident));
  unlink("/tmp/memory.tmp");
}

static sigjmp_buf back;
static void caught(int signal) {
  siglongjmp(back, signal);
}

static const char *touch(volatile char *at, int write) {
  int signal = sigsetjmp(back, 1);
  if (signal) return signal == SIGSEGV ? "segv" : "bus";
  if (write) *at = 1;
  else (void)*at;
  return "ok";
}

static void protection(void) {
  signal(SIGSEGV, caught);
  signal(SIGBUS, caught);
  char *page = anonymous(3, PROT_READ | PROT_WRITE);
  page[PAGE] = 5;
  TELL(mprotect(page + PAGE, PAGE, PROT_NONE));
  say("%s %s %s", touch(page, 1), touch(page + PAGE, 0), touch(page + 2 * PAGE, 1));
  TELL(mprotect(page + PAGE, PAGE, PROT_READ));
  say("%s %s %d", touch(page + PAGE, 0), touch(page + PAGE, 1), page[PAGE]);
  TELL(mprotect(page, 3 * PAGE, PROT_READ | PROT_WRITE));
  say("%s", touch(page + PAGE, 1));
  munmap(page + PAGE, PAGE);
  say("%s %s %s", touch(page, 0), touch(page + PAGE, 0), touch(page + 2 * PAGE, 0));
  int fd = open("/tmp/memory2.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);
  ftruncate(fd, 2 * PAGE);
  char *mapped = mmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  say("%s %s", touch(mapped, 1), touch(mapped + PAGE, 1));
  ftruncate(fd, PAGE);
  say("%s %s", touch(mapped, 1), touch(mapped + PAGE, 1));
  ftruncate(fd, 2 * PAGE);
  say("%s %d", touch(mapped + PAGE, 1), mapped[PAGE]);
  unlink("/tmp/memory2.tmp");
}

static void moving(void) {
  char *area = anonymous(4, PROT_READ | PROT_WRITE);
  for (int i = 0; i < 4; i++) area[i * PAGE] = 'a' + i;
  char *hole = anonymous(16, PROT_NONE);
  munmap(hole, 16 * PAGE);
  char *moved = mremap(area, 4 * PAGE, 8 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, hole);
  say("%d %c%c%c%c %d", moved == hole, moved[0], moved[PAGE], moved[2 * PAGE], moved[3 * PAGE], moved[7 * PAGE]);
  say("%s", touch(area, 0));
  say("%d", mremap(moved, 8 * PAGE, 2 * PAGE, 0) == moved);
  say("%s %s", touch(moved + PAGE, 0), touch(moved + 2 * PAGE, 0));
  say("%d", mremap(moved, 2 * PAGE, 6 * PAGE, 0) == moved);
  say("%c %d", moved[PAGE], moved[5 * PAGE]);
  TELL(madvise(moved, 2 * PAGE, MADV_DONTNEED));
  say("%d %d", moved[0], moved[PAGE]);
  char *shared = mmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  shared[0] = 1;
  if (fork() == 0) {
    shared[0]++;
    shared[PAGE] = 7;
    _exit(0);
  }
  wait(0);
  say("%d %d", shared[0], shared[PAGE]);
  madvise(shared, PAGE, MADV_DONTNEED);
  say("%d", shared[0]);
  char *twice = mremap(shared, 0, PAGE, MREMAP_MAYMOVE);
  twice[0] = 9;
  say("%d", shared[0]);
  char *wiped = anonymous(1, PROT_READ | PROT_WRITE);
  wiped[0] = 3;
  TELL(madvise(wiped, PAGE, MADV_WIPEONFORK));
  if (fork() == 0) {
    say("wiped %d", wiped[0]);
    _exit(0);
  }
  wait(0);
}

static void breaks(void) {
  char *start = sbrk(0);
  TELL(sbrk(3 * PAGE) == start);
  start[2 * PAGE] = 1;
  TELL(brk(start + PAGE));
  say("%s", touch(start + 2 * PAGE + 8, 0));
  TELL(brk(start));
  struct rlimit limit = {200 << 20, 200 << 20};
  if (fork() == 0) {
    setrlimit(RLIMIT_AS, &limit);
    TELL(mmap(0, 300 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    TELL(mmap(0, 10 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
    _exit(0);
  }
  wait(0);
  TELL(mlock(start - PAGE, 10));
  TELL(munlock(start - PAGE, 10));
  TELL(mlockall(0));
}

static void copies(void) {
  char *area = anonymous(64, PROT_READ | PROT_WRITE);
  for (int i = 0; i < 64; i++) area[i * PAGE] = i;
  int status, pipes[2];
  pipe(pipes);
  if (fork() == 0) {
    for (int i = 0; i < 64; i += 2) area[i * PAGE] = 100;
    if (fork() == 0) {
      int sum = 0;
      for (int i = 0; i < 64; i++) sum += area[i * PAGE];
      for (int i = 0; i < 64; i++) area[i * PAGE] = 1;
      write(pipes[1], &sum, sizeof sum);
      _exit(0);
    }
    wait(0);
    int sum = 0;
    for (int i = 0; i < 64; i++) sum += area[i * PAGE];
    write(pipes[1], &sum, sizeof sum);
    _exit(0);
  }
  wait(&status);
  int first, second, third = 0;
  read(pipes[0], &first, sizeof first);
  read(pipes[0], &second, sizeof second);
  for (int i = 0; i < 64; i++) third += area[i * PAGE];
  say("%d %d %d", first, second, third);
}

int main(void) {
  errors();
  files();
  protection();
  moving();
  breaks();
  copies();
  return 0;
}
