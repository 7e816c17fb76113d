// unix(7): streams, datagrams, sequenced packets, descriptors and credentials in messages.
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

static socklen_t named(struct sockaddr_un *address, const char *path, int abstract) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  strcpy(address->sun_path + abstract, path);
  return offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1;
}

static void pairs(void) {
  int s[2];
  char buffer[100] = "";
  TELL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s));
  TELL(recv(s[0], buffer, 10, 0));
  TELL(send(s[1], "hello", 5, 0));
  TELL(send(s[1], "world", 5, 0));
  TELL(recv(s[0], buffer, 7, MSG_PEEK));
  TELL(recv(s[0], buffer, 100, 0));
  int type;
  socklen_t length = sizeof type;
  TELL(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &type, &length));
  say("type %d", type);
  TELL(shutdown(s[1], SHUT_WR));
  TELL(recv(s[0], buffer, 10, 0));
  TELL(send(s[1], "x", 1, MSG_NOSIGNAL));
  TELL(send(s[0], "y", 1, 0));
  TELL(lseek(s[0], 0, SEEK_SET));
  struct pollfd fd = {s[0], POLLIN | POLLOUT | POLLRDHUP, 0};
  poll(&fd, 1, 0);
  say("revents %x", fd.revents);
  close(s[1]);
  poll(&fd, 1, 0);
  say("revents %x", fd.revents);
  TELL(recv(s[0], buffer, 10, 0));
  TELL(recv(s[0], buffer, 10, 0));
  close(s[0]);
  TELL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, s));
  TELL(send(s[1], "abcdef", 6, 0));
  TELL(send(s[1], "gh", 2, 0));
  TELL(recv(s[0], buffer, 3, MSG_TRUNC));
  TELL(recv(s[0], buffer, 100, 0));
  close(s[0]);
  close(s[1]);
  TELL(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
  TELL(send(s[1], "", 0, 0));
  TELL(recv(s[0], buffer, 10, 0));
  close(s[0]);
  TELL(send(s[1], "x", 1, MSG_NOSIGNAL));
  close(s[1]);
  TELL(socketpair(AF_UNIX, 99, 0, s));
  TELL(socketpair(AF_UNIX, SOCK_STREAM, 5, s));
}

static void servers(void) {
  struct sockaddr_un address, got;
  char buffer[100];
  int status;
  unlink("socket");
  socklen_t length = named(&address, "socket", 0);
  int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
  TELL(connect(client, (void *)&address, length));
  TELL(listen(server, 1));
  TELL(accept(server, 0, 0));
  TELL(bind(server, (void *)&address, length));
  TELL(bind(server, (void *)&address, length));
  int other = socket(AF_UNIX, SOCK_STREAM, 0);
  TELL(bind(other, (void *)&address, length));
  close(other);
  TELL(connect(client, (void *)&address, length));
  TELL(listen(server, 1));
  TELL(send(client, "x", 1, MSG_NOSIGNAL));
  TELL(recv(client, buffer, 1, 0));
  if (fork() == 0) {
    int peer = socket(AF_UNIX, SOCK_STREAM, 0);
    connect(peer, (void *)&address, length);
    write(peer, "from the child", 14);
    read(peer, buffer, 100);
    _exit(buffer[0]);
  }
  socklen_t size = sizeof got;
  int served = accept4(server, (void *)&got, &size, SOCK_CLOEXEC);
  say("peer name %d bytes, cloexec %d", (int)size, fcntl(served, F_GETFD));
  TELL(read(served, buffer, 100));
  struct ucred cred;
  size = sizeof cred;
  TELL(getsockopt(served, SOL_SOCKET, SO_PEERCRED, &cred, &size));
  say("uid is mine %d", cred.uid == getuid());
  write(served, "*", 1);
  wait(&status);
  say("status %x", status);
  TELL(read(served, buffer, 100));
  close(served);
  size = sizeof got;
  TELL(getsockname(server, (void *)&got, &size));
  say("%s %d", got.sun_path, (int)size);
  TELL(connect(client, (void *)&address, length));
  TELL(connect(client, (void *)&address, length));
  TELL(getpeername(client, (void *)&got, &size));
  close(server);
  TELL(read(client, buffer, 1));
  close(client);
  client = socket(AF_UNIX, SOCK_STREAM, 0);
  TELL(connect(client, (void *)&address, length));
  unlink("socket");
  TELL(connect(client, (void *)&address, length));
  int dgram = socket(AF_UNIX, SOCK_DGRAM, 0);
  length = named(&address, "dg", 1);
  TELL(bind(dgram, (void *)&address, length));
  TELL(connect(client, (void *)&address, length));
  int sender = socket(AF_UNIX, SOCK_DGRAM, 0);
  TELL(sendto(sender, "datagram", 8, 0, (void *)&address, length));
  size = sizeof got;
  TELL(recvfrom(dgram, buffer, 100, 0, (void *)&got, &size));
  TELL(connect(sender, (void *)&address, length));
  int sent = 0;
  while (send(sender, "x", 1, MSG_DONTWAIT) == 1) sent++;
  say("%d queued, %s", sent, strerrorname_np(errno));
  close(dgram);
  TELL(send(sender, "x", 1, 0));
  TELL(send(sender, "x", 1, 0));
  TELL(socket(AF_UNIX, 77, 0));
}

static void rights(void) {
  int s[2], p[2];
  char byte = 'x', buffer[64];
  union {
    char bytes[CMSG_SPACE(2 * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
    struct cmsghdr align;
  } control;
  struct iovec part = {&byte, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = CMSG_SPACE(2 * sizeof(int))};
  socketpair(AF_UNIX, SOCK_STREAM, 0, s);
  pipe(p);
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  *header = (struct cmsghdr){CMSG_LEN(2 * sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
  memcpy(CMSG_DATA(header), p, sizeof p);
  TELL(send(s[0], "ab", 2, 0));
  TELL(sendmsg(s[0], &message, 0));
  close(p[0]);
  close(p[1]);
  part = (struct iovec){buffer, 64};
  message.msg_controllen = sizeof control;
  TELL(recvmsg(s[1], &message, MSG_CMSG_CLOEXEC));
  header = CMSG_FIRSTHDR(&message);
  say("control %d type %d flags %x", (int)message.msg_controllen, header->cmsg_type, message.msg_flags & ~MSG_CMSG_CLOEXEC);
  memcpy(p, CMSG_DATA(header), sizeof p);
  TELL(fcntl(p[0], F_GETFD));
  TELL(write(p[1], "through", 7));
  TELL(read(p[0], buffer, 64));
  part = (struct iovec){&byte, 1};
  message.msg_controllen = CMSG_SPACE(2 * sizeof(int));
  header->cmsg_len = CMSG_LEN(sizeof(int));
  *(int *)CMSG_DATA(header) = 999;
  TELL(sendmsg(s[0], &message, 0));
  int on = 1;
  TELL(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
  TELL(write(s[0], "c", 1));
  message.msg_controllen = sizeof control;
  TELL(recvmsg(s[1], &message, 0));
  header = CMSG_FIRSTHDR(&message);
  struct ucred *cred = (void *)CMSG_DATA(header);
  say("type %d len %d pid is mine %d", header->cmsg_type, (int)header->cmsg_len, cred->pid == getpid());
  struct timeval soon = {0, 20000};
  TELL(setsockopt(s[1], SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon));
  TELL(recv(s[1], buffer, 1, 0));
  int count;
  write(s[0], "1234", 4);
  TELL(ioctl(s[1], FIONREAD, &count));
  say("%d", count);
  TELL(recv(s[1], buffer, 4, MSG_WAITALL));
}

/* Several messages at once: the timeout is looked at after each, and with its nanoseconds. */
static void several(void) {
  int s[2];
  socketpair(AF_UNIX, SOCK_DGRAM, 0, s);
  char bytes[3][8];
  struct iovec parts[3];
  struct mmsghdr headers[3];
  memset(headers, 0, sizeof headers);
  for (int i = 0; i < 3; i++) {
    parts[i] = (struct iovec){bytes[i], 8};
    headers[i].msg_hdr.msg_iov = &parts[i];
    headers[i].msg_hdr.msg_iovlen = 1;
  }
  struct timespec none = {0, 0}, second = {0, 999999999}, odd = {0, 1000000000};
  for (int i = 0; i < 6; i++) send(s[0], "message", 1 + i, 0);
  TELL(recvmmsg(s[1], headers, 3, 0, &odd));
  TELL(recvmmsg(s[1], headers, 3, 0, (void *)1));
  TELL(recvmmsg(s[1], headers, 3, 0, &none));
  TELL(recvmmsg(s[1], headers, 3, 0, &second));
  say("%d %d %d", headers[0].msg_len, headers[1].msg_len, headers[2].msg_len);
  TELL(recvmmsg(s[1], headers, 3, MSG_WAITFORONE, NULL));
  say("%d %d", headers[0].msg_len, headers[1].msg_len);
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  pairs();
  servers();
  rights();
  several();
}
