// fcntl(2) record locks, open file description locks, flock(2), memfd seals, attributes of open files.
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>

static int lock(int fd, int command, int type, long start, long length) {
  struct flock request = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
  int result = fcntl(fd, command, &request);
  if (command == F_GETLK || command == F_OFD_GETLK) {
    say("conflict: type %d start %ld length %ld pid %d", request.l_type, (long)request.l_start, (long)request.l_len, request.l_pid > 0 ? 1 : request.l_pid);
  }
  return result;
}

// Runs `body` in a child and waits for it.
#define CHILD(body) do { if (fork() == 0) { body; fflush(stdout); _exit(0); } wait(0); } while (0)

static void records(void) {
  int fd = open("locked", O_RDWR | O_CREAT | O_TRUNC, 0600);
  TELL(lock(fd, F_SETLK, F_WRLCK, 0, 100));
  TELL(lock(fd, F_SETLK, F_UNLCK, 40, 20));
  TELL(lock(fd, F_SETLK, F_RDLCK, 200, 0));
  CHILD({
    lock(fd, F_GETLK, F_WRLCK, 0, 0);
    lock(fd, F_GETLK, F_RDLCK, 40, 20);
    lock(fd, F_GETLK, F_WRLCK, 5000, 10);
    TELL(lock(fd, F_SETLK, F_WRLCK, 50, 20));
    TELL(lock(fd, F_SETLK, F_RDLCK, 300, 20));
    TELL(lock(fd, F_SETLK, F_WRLCK, 40, 20));
  });
  TELL(lock(fd, F_SETLK, F_WRLCK, 0, 0));
  close(open("locked", O_RDONLY));
  CHILD(TELL(lock(fd, F_SETLK, F_WRLCK, 0, 0)));
  int readable = open("locked", O_RDONLY);
  TELL(lock(readable, F_SETLK, F_WRLCK, 0, 1));
  TELL(lock(fd, F_SETLK, 77, 0, 1));
  TELL(lock(fd, F_SETLK, F_WRLCK, -5, 1));
  // Deadlock: the parent holds 0 and wants 1, the child holds 1 and wants 0.
  int p[2];
  pipe(p);
  lock(fd, F_SETLK, F_WRLCK, 0, 1);
  if (fork() == 0) {
    lock(fd, F_SETLK, F_WRLCK, 1, 1);
    write(p[1], "x", 1);
    lock(fd, F_SETLKW, F_WRLCK, 0, 1);
    _exit(0);
  }
  char byte;
  read(p[0], &byte, 1);
  usleep(50000);
  TELL(lock(fd, F_SETLKW, F_WRLCK, 1, 1));
  lock(fd, F_SETLK, F_UNLCK, 0, 0);
  wait(0);
  close(fd);
  close(readable);
}

static void descriptions(void) {
  int a = open("locked", O_RDWR), b = open("locked", O_RDWR), copy = dup(a);
  TELL(lock(a, F_OFD_SETLK, F_WRLCK, 0, 10));
  TELL(lock(copy, F_OFD_SETLK, F_WRLCK, 5, 10));
  TELL(lock(b, F_OFD_SETLK, F_RDLCK, 0, 1));
  lock(b, F_OFD_GETLK, F_RDLCK, 0, 1);
  close(a);
  TELL(lock(b, F_OFD_SETLK, F_RDLCK, 0, 1));
  close(copy);
  TELL(lock(b, F_OFD_SETLK, F_RDLCK, 0, 1));
  close(b);
  a = open("locked", O_RDWR), b = open("locked", O_RDWR);
  TELL(flock(a, LOCK_SH));
  TELL(flock(b, LOCK_SH | LOCK_NB));
  TELL(flock(b, LOCK_EX | LOCK_NB));
  TELL(flock(a, LOCK_UN));
  TELL(flock(b, LOCK_EX | LOCK_NB));
  TELL(flock(a, LOCK_EX | LOCK_NB));
  if (fork() == 0) {
    usleep(20000);
    close(b);
    _exit(0);
  }
  close(b);
  TELL(flock(a, LOCK_EX));
  wait(0);
  TELL(flock(a, 0));
  close(a);
  unlink("locked");
}

static void memory(void) {
  int fd = memfd_create("name", MFD_ALLOW_SEALING);
  TELL(ftruncate(fd, 100));
  TELL(fcntl(fd, F_GET_SEALS));
  TELL(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
  TELL(ftruncate(fd, 50));
  TELL(ftruncate(fd, 200));
  TELL(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_WRITE));
  TELL(write(fd, "x", 1));
  TELL(ftruncate(fd, 300));
  TELL(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
  TELL(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
  struct stat st;
  fstat(fd, &st);
  say("size %ld mode %o", (long)st.st_size, st.st_mode);
  TELL(fcntl(memfd_create("x", 0), F_GET_SEALS));
  TELL(memfd_create("x", 0x100));
}

int main(void) {
  records();
  descriptions();
  memory();
}
