/*
 * fl_sys.h: what every platform must supply, and nobody else may call.
 *
 * One file per platform (fl_sys_linux.c ...) implements these; setup.py picks
 * it.  Platform files observe and never judge.
 */
#ifndef FL_SYS_H
#define FL_SYS_H

#include "fl.h"

/* The most fds in one fl_sys_glance() call: it keeps its arrays on the stack
 * (512 pollfds are 4 KiB). */
enum { FL_SYS_BATCH = 512 };

/* System-wide settings, read at most once per bulk call and only when a rule
 * needs them.  Start with fl_sys_memo(). */
typedef struct {
  int retries2;
} fl_sys_memo_t;

enum { FL_SYS_NOT_READ = -2 };

static inline fl_sys_memo_t fl_sys_memo(void) {
  fl_sys_memo_t memo = {.retries2 = FL_SYS_NOT_READ};
  return memo;
}

/*
 * Stage 1: one non-blocking poll of n <= FL_SYS_BATCH fds.
 *   events_out  n sets of FL_EV_* bits; FL_EV_NVAL for an fd that is not open,
 *               negative ones included
 * Returns 0 or -errno.
 */
int fl_sys_glance(const int *fds, size_t n, uint8_t *events_out);

/* Bytes that wait to be read (FIONREAD), -1 where that cannot be told.  The
 * answer belongs to one moment: no FIN is half arrived when it returns. */
int64_t fl_sys_unread(int fd);

/*
 * Stage 2: everything else about one fd, given the events of stage 1.  Asks
 * again where the two answers do not belong to the same moment.
 */
void fl_sys_inspect(int fd, unsigned events, fl_sys_memo_t *memo,
                    fl_observation_t *seen_out);

#endif
