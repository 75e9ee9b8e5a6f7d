/*
 * floor.c: the same system calls in a bare C loop, timed inside C.
 *
 * What fastlive is measured against: nobody can ask the kernel faster.  Built
 * as a shared library and called through ctypes; each function returns the
 * nanoseconds of the whole loop, so that the call itself does not count.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { CHUNK = 512, ASKED = POLLIN | POLLPRI | POLLRDHUP | POLLOUT };

static int64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* `rounds` polls of one fd. `healthy` counts those that found it writable. */
int64_t floor_scalar(int fd, int64_t rounds, int64_t *healthy) {
  int64_t start = now_ns();
  for (int64_t i = 0; i < rounds; i++) {
    struct pollfd one = {.fd = fd, .events = ASKED};
    poll(&one, 1, 0);
    *healthy += one.revents == POLLOUT;
  }
  return now_ns() - start;
}

/* `rounds` times all of n fds, in chunks on the stack. */
int64_t floor_bulk(const int *fds, int64_t n, int64_t rounds,
                   int64_t *healthy) {
  struct pollfd chunk[CHUNK];
  int64_t start = now_ns();
  for (int64_t round = 0; round < rounds; round++) {
    for (int64_t done = 0; done < n; done += CHUNK) {
      int64_t size = n - done < CHUNK ? n - done : CHUNK;
      for (int64_t i = 0; i < size; i++)
        chunk[i] = (struct pollfd){.fd = fds[done + i], .events = ASKED};
      poll(chunk, (nfds_t)size, 0);
      for (int64_t i = 0; i < size; i++)
        *healthy += chunk[i].revents == POLLOUT;
    }
  }
  return now_ns() - start;
}
