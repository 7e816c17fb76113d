// credentials(7), capabilities(7): run by root.
#define _GNU_SOURCE
#include "check.h"
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <fcntl.h>

static void ids(void) {
  uid_t r, e, s;
  gid_t rg, eg, sg;
  getresuid(&r, &e, &s);
  getresgid(&rg, &eg, &sg);
  say("uids %d %d %d gids %d %d %d", r, e, s, rg, eg, sg);
}

static void capabilities(void) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  TELL(syscall(SYS_capget, &header, data));
  say("chown %d kill %d setuid %d", data[0].effective & 1, data[0].effective >> 5 & 1, data[0].effective >> 7 & 1);
}

static void inChild(void (*what)(void)) {
  if (fork() == 0) {
    what();
    _exit(0);
  }
  wait(0);
}

static void dropped(void) {
  gid_t groups[3] = {30, 10, 20}, now[3];
  TELL(setgroups(3, groups));
  TELL(getgroups(0, 0));
  TELL(getgroups(3, now));
  say("%d %d %d", now[0], now[1], now[2]);
  TELL(getgroups(1, now));
  TELL(setresgid(1000, 1000, 1000));
  TELL(setuid(1000));
  ids();
  capabilities();
  TELL(setuid(0));
  TELL(setgroups(0, 0));
  TELL(setgid(0));
  TELL(kill(getppid(), 0));
  TELL(sethostname("x", 1));
  TELL(chroot("/"));
  TELL(open("/etc/shadow", O_RDONLY));
}

static void effective(void) {
  TELL(seteuid(1000));
  ids();
  capabilities();
  TELL(open("/etc/shadow", O_RDONLY));
  TELL(seteuid(0));
  ids();
  capabilities();
  TELL(setreuid(1000, 1001));
  ids();
  TELL(setreuid(1001, -1));
  ids();
  TELL(setresuid(-1, 0, -1));
  TELL(setresuid(1001, 1001, 1001));
}

static void fileIds(void) {
  TELL(setfsuid(1000));
  TELL(setfsuid(-1));
  TELL(open("/etc/shadow", O_RDONLY));
  TELL(setfsuid(0));
  TELL(open("/etc/shadow", O_RDONLY) >= 0);
}

static void kept(void) {
  TELL(prctl(PR_SET_KEEPCAPS, 1));
  TELL(prctl(PR_GET_KEEPCAPS));
  setuid(1000);
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  syscall(SYS_capget, &header, data);
  say("effective %d permitted %d", data[0].effective & 1, data[0].permitted & 1);
  data[0].effective = 1;
  data[1].effective = 0;
  TELL(syscall(SYS_capset, &header, data));
  TELL(prctl(PR_CAPBSET_READ, 99));
  TELL(prctl(PR_CAPBSET_READ, 0));
  TELL(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  TELL(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  TELL(prctl(12345));
}

int main(int argc, char **argv) {
  if (argc > 1) {
    ids();
    capabilities();
    return 0;
  }
  close(open("/tmp/identity.tmp", O_WRONLY | O_CREAT, 0600));
  ids();
  capabilities();
  inChild(dropped);
  inChild(effective);
  inChild(fileIds);
  inChild(kept);
  char self[4096], command[8300];
  self[readlink("/proc/self/exe", self, sizeof self - 1)] = 0;
  snprintf(command, sizeof command, "cp %s /tmp/identity.suid && chown 7 /tmp/identity.suid && chmod 4755 /tmp/identity.suid", self);
  TELL(system(command));
  if (fork() == 0) {
    setgroups(0, 0);
    setgid(1000);
    setuid(1000);
    execl("/tmp/identity.suid", "identity", "x", (char *)0);
    _exit(1);
  }
  wait(0);
  unlink("/tmp/identity.suid");
  unlink("/tmp/identity.tmp");
  return 0;
}
