// open(2), stat(2), getdents(2), rename(2), links, times, permissions, sparse files, extended attributes, /proc/self/fd.
#define _GNU_SOURCE
#include "check.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <utime.h>

static void opening(void) {
  char buffer[64] = "";
  TELL(open("nothing", O_RDONLY));
  int fd = open("file", O_RDWR | O_CREAT | O_EXCL, 0666);
  TELL(open("file", O_RDWR | O_CREAT | O_EXCL, 0666));
  TELL(write(fd, "0123456789", 10));
  TELL(open("file/", O_RDONLY));
  TELL(open("file", O_RDONLY | O_DIRECTORY));
  TELL(open(".", O_RDWR));
  TELL(open("new/", O_RDWR | O_CREAT, 0600));
  TELL(open(".", O_RDONLY | O_CREAT, 0600));
  TELL(open("", O_RDONLY));
  int add = open("file", O_WRONLY | O_APPEND);
  TELL(pwrite(add, "abc", 3, 0));
  TELL(lseek(add, 0, SEEK_CUR));
  TELL(read(add, buffer, 1));
  TELL(pread(fd, buffer, 64, 8));
  say("%s", buffer);
  TELL(lseek(fd, -1, SEEK_SET));
  TELL(lseek(fd, 5, SEEK_END));
  TELL(write(fd, "z", 1));
  TELL(pread(fd, buffer, 8, 11));
  say("%d %d %c", buffer[1], buffer[2], buffer[7]);
  TELL(ftruncate(fd, 3));
  TELL(ftruncate(fd, -1));
  TELL(ftruncate(add, 4));
  int ro = open("file", O_RDONLY);
  TELL(ftruncate(ro, 1));
  TELL(write(ro, "x", 1));
  TELL(fcntl(ro, F_GETFL) & ~O_LARGEFILE);
  TELL(fcntl(add, F_GETFL) & ~O_LARGEFILE);
  TELL(fcntl(ro, F_SETFL, O_NONBLOCK | O_APPEND | O_RDWR));
  TELL(fcntl(ro, F_GETFL) & ~O_LARGEFILE);
  int path = open("file", O_PATH);
  TELL(read(path, buffer, 1));
  TELL(fcntl(path, F_GETFL));
  TELL(fchmod(path, 0600));
  struct stat st;
  TELL(fstat(path, &st));
  say("size %ld", (long)st.st_size);
  int open_trunc = open("file", O_WRONLY | O_TRUNC);
  TELL(fstat(open_trunc, &st));
  say("size %ld", (long)st.st_size);
  unlink("file");
  TELL(write(fd, "still here", 10));
  TELL(fstat(fd, &st));
  say("links %ld", (long)st.st_nlink);
  char name[64];
  sprintf(name, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(name, buffer, 63);
  say("%s", length > 10 && !memcmp(buffer + length - 10, " (deleted)", 10) ? "deleted" : "?");
  int again = open(name, O_RDONLY);
  TELL(lseek(again, 0, SEEK_END) > 0);
  int unnamed = open(".", O_TMPFILE | O_RDWR, 0600);
  TELL(write(unnamed, "tmp", 3));
  TELL(linkat(AT_FDCWD, (sprintf(name, "/proc/self/fd/%d", unnamed), name), AT_FDCWD, "linked", AT_SYMLINK_FOLLOW));
  TELL(access("linked", F_OK));
  TELL(unlink("linked"));
  TELL(open(".", O_TMPFILE | O_RDONLY, 0600));
}

static void names(void) {
  char buffer[64] = "";
  struct stat st;
  mkdir("d", 0755);
  TELL(mkdir("d", 0755));
  TELL(mkdir("no/d", 0755));
  TELL(rmdir("."));
  close(creat("a", 0644));
  close(creat("b", 0644));
  TELL(rmdir("a"));
  TELL(unlink("d"));
  TELL(rename("a", "d"));
  TELL(rename("d", "a"));
  TELL(rename("d", "d/sub"));
  TELL(rename("a", "b"));
  TELL(access("a", F_OK));
  TELL(renameat2(AT_FDCWD, "b", AT_FDCWD, "d", RENAME_EXCHANGE));
  TELL(stat("b", &st));
  say("b is a directory: %d", S_ISDIR(st.st_mode));
  TELL(renameat2(AT_FDCWD, "b", AT_FDCWD, "d", RENAME_NOREPLACE));
  TELL(renameat2(AT_FDCWD, "b", AT_FDCWD, "d", RENAME_NOREPLACE | RENAME_EXCHANGE));
  TELL(symlink("d", "l"));
  TELL(symlink("", "e"));
  TELL(readlink("l", buffer, 64));
  TELL(readlink("d", buffer, 64));
  TELL(readlink("l", buffer, 0));
  TELL(open("l", O_RDONLY | O_NOFOLLOW));
  TELL(link("l", "l2"));
  TELL(lstat("l2", &st));
  say("link %d, %ld links", S_ISLNK(st.st_mode), (long)st.st_nlink);
  TELL(link("b", "b2"));
  TELL(symlink("loop", "loop"));
  TELL(open("loop", O_RDONLY));
  TELL(stat("d/x", &st));
  char longname[300];
  memset(longname, 'n', 299);
  longname[299] = 0;
  TELL(creat(longname, 0600));
  TELL(unlinkat(AT_FDCWD, "b", AT_REMOVEDIR));
  TELL(mknod("p", S_IFIFO | 0600, 0));
  TELL(stat("p", &st));
  say("%o", st.st_mode);
  TELL(stat("/dev/null", &st));
  say("%o %d %d", st.st_mode & S_IFMT, major(st.st_rdev), minor(st.st_rdev));
  unlink("d"), unlink("l"), unlink("l2"), unlink("loop"), unlink("p");
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void directories(void) {
  mkdir("many", 0755);
  chdir("many");
  for (int i = 0; i < 300; i++) {
    char name[32];
    sprintf(name, "entry-%d", i);
    close(creat(name, 0600));
  }
  DIR *directory = opendir(".");
  char *found[400];
  int count = 0;
  for (struct dirent *entry; (entry = readdir(directory));) {
    found[count++] = strdup(entry->d_name);
    if (entry->d_type != (entry->d_name[0] == '.' ? DT_DIR : DT_REG)) say("type %d of %s", entry->d_type, entry->d_name);
  }
  qsort(found, count, sizeof *found, by_name);
  say("%d entries from %s to %s", count, found[0], found[count - 1]);
  rewinddir(directory);
  int again = 0;
  // Deleting what was read must not hide what was not.
  for (struct dirent *entry; (entry = readdir(directory));)
    if (entry->d_name[0] != '.') again += unlink(entry->d_name) == 0;
  say("%d deleted", again);
  closedir(directory);
  chdir("..");
  TELL(rmdir("many"));
  char buffer[PATH_MAX];
  mkdir("gone", 0700);
  chdir("gone");
  rmdir("../gone");
  TELL(getcwd(buffer, sizeof buffer) ? 0 : -1);
  TELL(creat("x", 0600));
  TELL(open(".", O_RDONLY) >= 0);
  chdir("..");
  chdir("..");
}

static void attributes(void) {
  struct stat st;
  int fd = creat("t", 0644);
  struct timespec times[2] = {{1000000000, 123456789}, {2000000000, 987654321}};
  TELL(futimens(fd, times));
  fstat(fd, &st);
  say("%ld.%09ld %ld.%09ld", st.st_atim.tv_sec, st.st_atim.tv_nsec, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
  times[0].tv_nsec = UTIME_OMIT;
  times[1].tv_sec = 5;
  times[1].tv_nsec = 0;
  TELL(utimensat(AT_FDCWD, "t", times, 0));
  stat("t", &st);
  say("%ld %ld", st.st_atim.tv_sec, st.st_mtim.tv_sec);
  times[1].tv_nsec = 1000000000;
  TELL(utimensat(AT_FDCWD, "t", times, 0));
  TELL(utime("t", 0));
  stat("t", &st);
  say("now %d", st.st_mtim.tv_sec > 1500000000);
  write(fd, "x", 1);
  struct statx x;
  TELL(statx(AT_FDCWD, "t", AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &x));
  say("%o %lld %d", x.stx_mode, (long long)x.stx_size, x.stx_nlink);
  TELL(statx(AT_FDCWD, "t", 0x8000, STATX_BASIC_STATS, &x));
  TELL(chmod("t", 06755));
  stat("t", &st);
  say("%o", st.st_mode);
  TELL(chown("t", 1000, 1000));
  stat("t", &st);
  say("%o %d %d", st.st_mode, st.st_uid, st.st_gid);
  umask(077);
  close(creat("u", 0666));
  stat("u", &st);
  say("%o", st.st_mode);
  umask(022);
  mkdir("sgid", 0755);
  chown("sgid", 0, 1000);
  chmod("sgid", 02755);
  close(creat("sgid/f", 0644));
  mkdir("sgid/d", 0755);
  stat("sgid/f", &st);
  say("gid %d", st.st_gid);
  stat("sgid/d", &st);
  say("gid %d %o", st.st_gid, st.st_mode);
  TELL(setxattr("t", "user.key", "value", 5, 0));
  TELL(setxattr("t", "user.key", "value", 5, XATTR_CREATE));
  TELL(setxattr("t", "user.other", "value", 5, XATTR_REPLACE));
  char buffer[64] = "";
  TELL(getxattr("t", "user.key", buffer, 64));
  TELL(getxattr("t", "user.key", buffer, 2));
  TELL(getxattr("t", "user.none", buffer, 64));
  TELL(listxattr("t", buffer, 64));
  TELL(removexattr("t", "user.key"));
  TELL(removexattr("t", "user.key"));
  TELL(setxattr("t", "bogus.key", "v", 1, 0));
  struct statfs fs;
  TELL(statfs(".", &fs));
  TELL(statfs("/proc", &fs));
  say("%lx", (long)fs.f_type);
  close(fd);
}

static void unprivileged(void) {
  chmod(".", 0777);
  close(creat("secret", 0600));
  close(creat("public", 0644));
  mkdir("closed", 0700);
  mkdir("sticky", 0777);
  chmod("sticky", 01777);
  close(creat("sticky/f", 0666));
  fflush(stdout);
  if (fork() == 0) {
    setgid(1000);
    setuid(1000);
    TELL(open("secret", O_RDONLY));
    TELL(open("public", O_WRONLY));
    TELL(access("public", R_OK));
    TELL(access("public", R_OK | W_OK));
    TELL(access("closed/x", F_OK));
    TELL(chdir("closed"));
    TELL(chmod("public", 0777));
    TELL(chown("public", 1000, 1000));
    TELL(unlink("sticky/f"));
    TELL(rename("sticky/f", "sticky/g"));
    TELL(truncate("secret", 0));
    TELL(utimensat(AT_FDCWD, "public", 0, 0));
    TELL(mknod("dev", S_IFCHR | 0600, makedev(1, 3)));
    TELL(chroot("."));
    int fd = creat("own", 04755);
    struct stat st;
    fstat(fd, &st);
    say("%o %d", st.st_mode, st.st_uid);
    write(fd, "x", 1);
    fstat(fd, &st);
    say("%o", st.st_mode);
    TELL(fchown(fd, 0, -1));
    TELL(fchown(fd, 1000, -1));
    TELL(setxattr("own", "trusted.x", "v", 1, 0));
    fflush(stdout);
    _exit(0);
  }
  wait(0);
}

static volatile sig_atomic_t caught;
static void note(int signal) { caught = signal; }

static void sizes(void) {
  int fd = open("sparse", O_RDWR | O_CREAT | O_TRUNC, 0600);
  struct stat st;
  TELL(pwrite(fd, "end", 3, 1 << 20));
  fstat(fd, &st);
  say("size %ld, few blocks %d", (long)st.st_size, st.st_blocks <= 64);
  TELL(lseek(fd, 0, SEEK_DATA));
  TELL(lseek(fd, 0, SEEK_HOLE));
  TELL(lseek(fd, 1 << 20, SEEK_HOLE));
  TELL(lseek(fd, 2 << 20, SEEK_DATA));
  TELL(pwrite(fd, "big", 3, 3000000000L));
  TELL(lseek(fd, 0, SEEK_END));
  TELL(ftruncate(fd, 8192));
  TELL(fallocate(fd, 0, 0, 16384));
  fstat(fd, &st);
  say("size %ld", (long)st.st_size);
  char page[4096], got[4096];
  memset(page, 'p', sizeof page);
  pwrite(fd, page, 4096, 4096);
  TELL(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5000, 100));
  pread(fd, got, 4096, 4096);
  say("%d %d %d %d", got[903], got[904], got[1003], got[1004]);
  TELL(fallocate(fd, 0, -1, 5));
  TELL(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 5));
  char *map = mmap(0, 16384, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  strcpy(map + 100, "through the mapping");
  TELL(pread(fd, got, 19, 100));
  say("%.19s", got);
  TELL(pwrite(fd, "written", 7, 100));
  say("%.7s", map + 100);
  TELL(msync(map, 16384, MS_SYNC));
  munmap(map, 16384);
  TELL(fsync(fd));
  TELL(fdatasync(fd));
  signal(SIGXFSZ, note);
  struct rlimit limit = {20000, RLIM_INFINITY};
  setrlimit(RLIMIT_FSIZE, &limit);
  TELL(pwrite(fd, page, 4096, 18000));
  TELL(pwrite(fd, page, 4096, 20000));
  say("caught %d", caught);
  TELL(ftruncate(fd, 30000));
  close(fd);
}

int main(void) {
  umask(022);
  mkdir("files-test", 0755);
  chdir("files-test");
  opening();
  names();
  directories();
  chdir("files-test");
  attributes();
  unprivileged();
  sizes();
  chdir("..");
  system("rm -rf files-test");
}
