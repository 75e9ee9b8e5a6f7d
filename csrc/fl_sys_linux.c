/*
 * fl_sys_linux.c: what Linux shows of a socket.
 *
 * Traps of the kernel that this file deals with:
 *   - poll() ignores negative fds, and answers EINVAL for more fds than
 *     RLIMIT_NOFILE, duplicates included.
 *   - poll() and the state in TCP_INFO are read without the socket's lock,
 *     while the kernel sets sequence numbers, error, state and shutdown flags
 *     one after the other (tcp_data_queue(), tcp_fin(), tcp_reset(),
 *     tcp_done()).  FIONREAD and TCP_INFO take the lock before they return, so
 *     whatever the call before caught halfway is complete afterwards.
 *   - TCP_INFO is shorter on older kernels; a field exists exactly if it lies
 *     within the returned length.
 *   - recv(MSG_PEEK) and SO_ERROR take the pending error, so they are not here.
 */
#define _GNU_SOURCE
#include "fl_sys.h"
#include "fl_tcp_info.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Numbers of the kernel's interface that older libc headers lack, or that only
 * clash between headers. */
enum {
  OPT_TCP_KEEPIDLE = 4, /* linux/tcp.h */
  OPT_TCP_KEEPINTVL = 5,
  OPT_TCP_KEEPCNT = 6,
  OPT_TCP_SYNCNT = 7,
  OPT_TCP_INFO = 11,
  OPT_TCP_USER_TIMEOUT = 18,
  OPT_TCP_RTO_MAX_MS = 44,
  OPT_SO_ZEROCOPY = 60, /* asm-generic/socket.h */
  PROTO_MPTCP = 262     /* linux/in.h */
};

static uint8_t fl_sys_linux__events(short revents) {
  return (uint8_t)((revents & POLLIN ? FL_EV_IN : 0) |
                   (revents & POLLPRI ? FL_EV_PRI : 0) |
                   (revents & POLLOUT ? FL_EV_OUT : 0) |
                   (revents & POLLERR ? FL_EV_ERR : 0) |
                   (revents & POLLHUP ? FL_EV_HUP : 0) |
                   (revents & POLLNVAL ? FL_EV_NVAL : 0) |
                   (revents & POLLRDHUP ? FL_EV_RDHUP : 0));
}

/* poll() without waiting, in portions where RLIMIT_NOFILE asks for it. */
static int fl_sys_linux__poll(struct pollfd *polled, size_t n) {
  for (;;) {
    if (poll(polled, n, 0) >= 0)
      return 0;
    if (errno == EINTR)
      continue;
    if (errno != EINVAL || n == 1)
      return -errno;
    int rc = fl_sys_linux__poll(polled, n / 2);
    return rc < 0 ? rc : fl_sys_linux__poll(polled + n / 2, n - n / 2);
  }
}

int fl_sys_glance(const int *fds, size_t n, uint8_t *events_out) {
  struct pollfd polled[FL_SYS_BATCH];

  for (size_t i = 0; i < n; i++) {
    polled[i].fd = fds[i];
    polled[i].events = POLLIN | POLLPRI | POLLRDHUP | POLLOUT;
    polled[i].revents = 0;
  }
  int rc = fl_sys_linux__poll(polled, n);
  if (rc < 0)
    return rc;
  for (size_t i = 0; i < n; i++)
    events_out[i] =
        fds[i] < 0 ? FL_EV_NVAL : fl_sys_linux__events(polled[i].revents);
  return 0;
}

/* An int option, or -1 where this socket has no such option. */
static int64_t fl_sys_linux__option(int fd, int level, int name) {
  int value;
  socklen_t size = sizeof value;
  return getsockopt(fd, level, name, &value, &size) < 0 ? -1 : value;
}

/* tcp_retries2 of the caller's network namespace; the socket's own is not
 * visible through it.  -1 where it cannot be read. */
static int fl_sys_linux__retries2(fl_sys_memo_t *memo) {
  char text[16] = "";
  int fd;

  if (memo->retries2 != FL_SYS_NOT_READ)
    return memo->retries2;
  memo->retries2 = -1;
  fd = open("/proc/sys/net/ipv4/tcp_retries2", O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return memo->retries2;
  if (read(fd, text, sizeof text - 1) > 0)
    memo->retries2 = (int)strtol(text, NULL, 10);
  close(fd);
  return memo->retries2;
}

/* 1 where an error in poll can come from ICMP alone: it is asked for, and
 * nothing else that uses the error queue is. */
static int64_t fl_sys_linux__icmp_only(int fd) {
  bool asked = fl_sys_linux__option(fd, IPPROTO_IP, IP_RECVERR) > 0 ||
               fl_sys_linux__option(fd, IPPROTO_IPV6, IPV6_RECVERR) > 0;
  bool shared = fl_sys_linux__option(fd, SOL_SOCKET, SO_TIMESTAMPING) > 0 ||
                fl_sys_linux__option(fd, SOL_SOCKET, OPT_SO_ZEROCOPY) > 0;
  return asked && !shared;
}

static int fl_sys_linux__tcp_info(int fd, fl_observation_t *seen) {
  fl_tcp_info_t info;
  socklen_t size = sizeof info.raw;

  if (getsockopt(fd, IPPROTO_TCP, OPT_TCP_INFO, info.raw, &size) < 0)
    return -errno;
  info.size = size;
  seen->state = fl_tcp_info_get(&info, FL_TCP_INFO_state);
  seen->retransmits = fl_tcp_info_get(&info, FL_TCP_INFO_retransmits);
  seen->probes = fl_tcp_info_get(&info, FL_TCP_INFO_probes);
  seen->backoff = fl_tcp_info_get(&info, FL_TCP_INFO_backoff);
  seen->rto_us = fl_tcp_info_get(&info, FL_TCP_INFO_rto);
  seen->rtt_us = fl_tcp_info_get(&info, FL_TCP_INFO_rtt);
  seen->snd_wnd = fl_tcp_info_get(&info, FL_TCP_INFO_snd_wnd);
  seen->notsent_bytes = fl_tcp_info_get(&info, FL_TCP_INFO_notsent_bytes);
  seen->rcv_space = fl_tcp_info_get(&info, FL_TCP_INFO_rcv_space);
  seen->segs_in = fl_tcp_info_get(&info, FL_TCP_INFO_segs_in);
  seen->last_data_sent_ms = fl_tcp_info_get(&info, FL_TCP_INFO_last_data_sent);
  seen->last_data_recv_ms = fl_tcp_info_get(&info, FL_TCP_INFO_last_data_recv);
  seen->last_ack_recv_ms = fl_tcp_info_get(&info, FL_TCP_INFO_last_ack_recv);
  return 0;
}

/* poll's answer may be from the midst of tcp_reset() or tcp_done(), with signs
 * of death still to come.  TCP_INFO has taken the lock since. */
static void fl_sys_linux__look_again(int fd, fl_observation_t *seen) {
  enum { DEAD = FL_EV_RDHUP | FL_EV_HUP | FL_EV_ERR };
  uint8_t events;

  if (seen->state != FL_TCP_CLOSE || (seen->events & DEAD) == DEAD)
    return;
  if (fl_sys_glance(&fd, 1, &events) == 0)
    seen->events = events;
}

/* What no TCP_INFO is known of: a stream of another family, or no stream. */
static void fl_sys_linux__other(int fd, int error, fl_observation_t *seen) {
  int64_t type;

  if (error == -EBADF) {
    seen->kind = FL_KIND_BAD_FD;
    return;
  }
  if (error == -ENOTSOCK) {
    seen->kind = FL_KIND_NOT_SOCKET;
    return;
  }
  type = fl_sys_linux__option(fd, SOL_SOCKET, SO_TYPE);
  if (type < 0)
    return;
  seen->kind = type == SOCK_STREAM ? FL_KIND_STREAM : FL_KIND_NOT_STREAM;
  if (fl_sys_linux__option(fd, SOL_SOCKET, SO_ACCEPTCONN) > 0)
    seen->state = FL_TCP_LISTEN;
}

/* The options that decide what killed a connection. */
static void fl_sys_linux__post_mortem(int fd, fl_sys_memo_t *memo,
                                      fl_observation_t *seen) {
  seen->user_timeout_ms =
      fl_sys_linux__option(fd, IPPROTO_TCP, OPT_TCP_USER_TIMEOUT);
  seen->rto_max_ms =
      fl_sys_linux__option(fd, IPPROTO_TCP, OPT_TCP_RTO_MAX_MS);
  if (seen->rcv_space == 0)
    seen->syncnt = fl_sys_linux__option(fd, IPPROTO_TCP, OPT_TCP_SYNCNT);
  if (seen->retransmits > 0 || seen->probes > 0)
    seen->retries2 = fl_sys_linux__retries2(memo);
  if (seen->probes > 0) {
    seen->keepidle_s = fl_sys_linux__option(fd, IPPROTO_TCP, OPT_TCP_KEEPIDLE);
    seen->keepintvl_s =
        fl_sys_linux__option(fd, IPPROTO_TCP, OPT_TCP_KEEPINTVL);
    seen->keepcnt = fl_sys_linux__option(fd, IPPROTO_TCP, OPT_TCP_KEEPCNT);
  }
}

int64_t fl_sys_unread(int fd) {
  int unread;
  return ioctl(fd, FIONREAD, &unread) < 0 ? -1 : unread;
}

void fl_sys_inspect(int fd, unsigned events, fl_sys_memo_t *memo,
                    fl_observation_t *seen_out) {
  int64_t unread;
  int rc;

  *seen_out = (fl_observation_t){
#define X(name, meaning) .name = -1,
#include "fl_observation.def"
#undef X
  };
  seen_out->kind = FL_KIND_UNKNOWN;
  seen_out->state = FL_TCP_UNKNOWN;
  seen_out->events = events;
  if (events & FL_EV_NVAL) {
    seen_out->kind = FL_KIND_BAD_FD;
    return;
  }

  /* First of all, because it waits for a FIN in the midst of its arrival: the
   * state below is then the one that belongs to what poll saw. */
  unread = fl_sys_unread(fd);
  rc = fl_sys_linux__tcp_info(fd, seen_out);
  if (rc < 0) {
    fl_sys_linux__other(fd, rc, seen_out);
  } else {
    seen_out->kind =
        fl_sys_linux__option(fd, SOL_SOCKET, SO_PROTOCOL) == PROTO_MPTCP
            ? FL_KIND_MPTCP
            : FL_KIND_TCP;
    fl_sys_linux__look_again(fd, seen_out);
  }
  if (seen_out->kind == FL_KIND_BAD_FD || seen_out->kind == FL_KIND_NOT_SOCKET)
    return;
  seen_out->unread = unread;
  if (!(seen_out->events & FL_EV_ERR))
    return;
  if (seen_out->state == FL_TCP_CLOSE)
    fl_sys_linux__post_mortem(fd, memo, seen_out);
  else
    seen_out->icmp_only = fl_sys_linux__icmp_only(fd);
}
