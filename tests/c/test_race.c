/*
 * test_race.c: looks at connections at the very moment they end.
 *
 * A child process holds the other ends.  For each connection in turn it is told
 * to go, waits a random little while and ends it, while we ask without a pause:
 * until the answer is the one after, it must be the one before.  With a poll that
 * is believed as it stands, dozens of answers in 100,000 are neither.
 */
#define _GNU_SOURCE
#include "fl.h"
#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 30, CONNECTIONS = 300, JITTER = 3000, PATIENCE = 50000000 };

typedef enum { BY_RST, BY_FIN } ending_t;

static void end(int fd, ending_t how) {
  struct linger now = {.l_onoff = 1, .l_linger = 0};
  if (how == BY_FIN) {
    shutdown(fd, SHUT_WR);
    return;
  }
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close(fd);
}

/* The child: accepts, and ends connection *turn - 1 whenever *turn moves on. */
static void be_the_peer(int listener, ending_t how, volatile int *turn) {
  static int fds[CONNECTIONS];
  prctl(PR_SET_PDEATHSIG, SIGKILL); /* never spin on for nobody */
  for (int i = 0; i < CONNECTIONS; i++)
    fds[i] = accept(listener, NULL, NULL);
  for (int i = 0; i < CONNECTIONS; i++) {
    while (*turn <= i)
      ;
    for (volatile int wait = rand() % JITTER; wait > 0; wait--)
      ;
    end(fds[i], how);
  }
  _exit(EXIT_SUCCESS);
}

static void race(const char *name, ending_t how, fl_status_t after) {
  static int fds[CONNECTIONS];
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  volatile int *turn = mmap(NULL, sizeof *turn, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  long neither = 0;

  test_need("mmap", turn != MAP_FAILED);
  test_need("bind", bind(listener, (struct sockaddr *)&address, size) == 0);
  test_need("listen", listen(listener, CONNECTIONS) == 0);
  getsockname(listener, (struct sockaddr *)&address, &size);
  fflush(NULL);
  pid_t child = fork();
  if (child == 0)
    be_the_peer(listener, how, turn);
  test_need("fork", child > 0);
  for (int i = 0; i < CONNECTIONS; i++) {
    fds[i] = socket(AF_INET, SOCK_STREAM, 0);
    test_need("connect",
              connect(fds[i], (struct sockaddr *)&address, size) == 0);
  }

  for (int i = 0; i < CONNECTIONS; i++) {
    uint8_t status = FL_ALIVE;
    *turn = i + 1;
    for (long tries = 0; status != after && tries < PATIENCE; tries++) {
      fl_check(&fds[i], 1, &status);
      neither += status != FL_ALIVE && status != after;
    }
    test_equal(name, status, after);
    close(fds[i]);
  }
  test_equal(name, neither, 0);
  waitpid(child, NULL, 0);
  close(listener);
  munmap((void *)turn, sizeof *turn);
}

int main(void) {
  for (int round = 0; round < ROUNDS; round++) {
    race("RST", BY_RST, FL_RESET);
    race("FIN", BY_FIN, FL_PEER_CLOSED);
  }
  return test_result("test_race");
}
