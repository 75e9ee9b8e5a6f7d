/* test_check.c: observation and bulk calls on real sockets. */
#define _GNU_SOURCE
#include "fl.h"
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MANY = 1300 }; /* two whole batches and a part */

/* A connected pair over loopback TCP: ours, the peer's. */
static void connect_pair(int pair[2]) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0);

  test_need("bind", bind(listener, (struct sockaddr *)&address, size) == 0);
  test_need("listen", listen(listener, 1) == 0);
  getsockname(listener, (struct sockaddr *)&address, &size);
  pair[0] = socket(AF_INET, SOCK_STREAM, 0);
  test_need("connect",
            connect(pair[0], (struct sockaddr *)&address, size) == 0);
  pair[1] = accept(listener, NULL, NULL);
  test_need("accept", pair[1] >= 0);
  close(listener);
}

static void wait_for(int fd, short events) {
  struct pollfd one = {.fd = fd, .events = events};
  test_need("the peer's doing to arrive", poll(&one, 1, 5000) == 1);
}

static void reset(int fd) {
  struct linger now = {.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close(fd);
}

static int status_of(int fd) {
  uint8_t status = 255;
  test_equal("fl_check", fl_check(&fd, 1, &status), 0);
  return status;
}

static void test_stages(void) {
  int pair[2];
  char byte;

  connect_pair(pair);
  test_equal("idle", status_of(pair[0]), FL_ALIVE);
  test_need("send", send(pair[1], "x", 1, 0) == 1);
  wait_for(pair[0], POLLIN);
  test_equal("unread", status_of(pair[0]), FL_READABLE);
  shutdown(pair[1], SHUT_WR);
  wait_for(pair[0], POLLRDHUP);
  test_equal("FIN", status_of(pair[0]), FL_PEER_CLOSED);
  close(pair[1]);
  close(pair[0]);
  test_equal("closed", status_of(pair[0]), FL_BAD_FD);

  connect_pair(pair);
  reset(pair[1]);
  wait_for(pair[0], POLLIN);
  test_equal("RST", status_of(pair[0]), FL_RESET);
  test_equal("RST again", status_of(pair[0]), FL_RESET);
  test_equal("the error is still there",
             recv(pair[0], &byte, 1, 0) < 0 ? errno : 0, ECONNRESET);
  test_equal("reported", status_of(pair[0]), FL_CLOSED);
  close(pair[0]);
}

static void test_bad_fds(void) {
  int fds[] = {-1, INT_MIN, INT_MAX, 1000000, 0};
  uint8_t status[5];
  int pipe_ends[2];

  test_need("pipe", pipe(pipe_ends) == 0);
  fds[4] = pipe_ends[0];
  test_equal("fl_check", fl_check(fds, 5, status), 0);
  for (int i = 0; i < 4; i++)
    test_equal("no fd", status[i], FL_BAD_FD);
  test_equal("a pipe", status[4], FL_NOT_SOCKET);
  close(pipe_ends[0]);
  close(pipe_ends[1]);
}

static void test_batches(void) {
  static int fds[MANY];
  static uint8_t status[MANY + 1];
  static fl_observation_t seen[MANY];
  int pair[2];
  struct rlimit before;
  struct rlimit low;

  connect_pair(pair);
  for (int i = 0; i < MANY; i++)
    fds[i] = i % 7 == 0 ? -i - 1 : pair[0];
  status[MANY] = 99;
  test_equal("none", fl_check(fds, 0, status), 0);
  test_equal("many", fl_check(fds, MANY, status), 0);
  test_equal("observe", fl_observe(fds, MANY, seen), 0);
  for (int i = 0; i < MANY; i++) {
    int expected = i % 7 == 0 ? FL_BAD_FD : FL_ALIVE;
    test_equal("each", status[i], expected);
    test_equal("each observed", fl_judge(&seen[i]).status, expected);
  }
  test_equal("nothing written behind", status[MANY], 99);

  /* poll() refuses more fds than RLIMIT_NOFILE, open or not. */
  test_need("getrlimit", getrlimit(RLIMIT_NOFILE, &before) == 0);
  low = before;
  low.rlim_cur = 20;
  test_need("setrlimit", setrlimit(RLIMIT_NOFILE, &low) == 0);
  memset(status, 255, sizeof status);
  test_equal("under a low limit", fl_check(fds, MANY, status), 0);
  test_equal("the last", status[MANY - 1],
             (MANY - 1) % 7 == 0 ? FL_BAD_FD : FL_ALIVE);
  setrlimit(RLIMIT_NOFILE, &before);
  close(pair[0]);
  close(pair[1]);
}

static void test_takers(void) {
  int pair[2];
  int error = -1;
  int results[2];

  connect_pair(pair);
  int fds[] = {pair[0], -1};
  fl_peek(fds, 2, results);
  test_equal("nothing to read", results[0], -EAGAIN);
  test_equal("no fd", results[1], -EBADF);
  test_need("send", send(pair[1], "xyz", 3, 0) == 3);
  wait_for(pair[0], POLLIN);
  fl_peek(fds, 1, results);
  test_equal("a byte", results[0], 1);
  test_equal("no error", fl_take_error(pair[0], &error), 0);
  test_equal("no error", error, 0);
  reset(pair[1]);
  wait_for(pair[0], POLLRDHUP);
  test_equal("take", fl_take_error(pair[0], &error), 0);
  test_equal("taken", error, ECONNRESET);
  test_equal("take again", fl_take_error(pair[0], &error), 0);
  test_equal("gone", error, 0);
  test_equal("no fd", fl_take_error(-1, &error), -EBADF);
  close(pair[0]);
}

int main(void) {
  test_stages();
  test_bad_fds();
  test_batches();
  test_takers();
  return test_result("test_check");
}
