/*
 * fl_take.c: the two probes that take the pending error away from the
 * application.  No check calls them; they exist for those who ask for them.
 * POSIX alone, so every platform shares this file.
 */
#include "fl.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/types.h>

void fl_peek(const int *fds, size_t n, int *result_out) {
  for (size_t i = 0; i < n; i++) {
    char byte;
    ssize_t got = recv(fds[i], &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    result_out[i] = got < 0 ? -errno : (int)got;
  }
}

int fl_take_error(int fd, int *error_out) {
  socklen_t size = sizeof *error_out;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, error_out, &size) < 0)
    return -errno;
  return 0;
}
