/*
 * fl_check.c: observing many fds, batch by batch.
 *
 * Each batch is copied to the stack first: the caller's array may be changed
 * by another thread, and both stages must speak of the same fd.
 */
#include "fl.h"
#include "fl_sys.h"

#include <string.h>

typedef struct {
  size_t n;
  int fds[FL_SYS_BATCH];
  uint8_t events[FL_SYS_BATCH];
} fl_check__batch_t;

static int fl_check__glance(const int *fds, size_t left,
                            fl_check__batch_t *batch) {
  batch->n = left < FL_SYS_BATCH ? left : FL_SYS_BATCH;
  memcpy(batch->fds, fds, batch->n * sizeof *fds);
  return fl_sys_glance(batch->fds, batch->n, batch->events);
}

static uint8_t fl_check__status(int fd, unsigned events, fl_sys_memo_t *memo) {
  fl_observation_t seen;

  /* The two healthy answers need no closer look.  But a FIN counts as a byte to
   * read for a moment before poll shows it as what it is. */
  if (events == FL_EV_OUT)
    return FL_ALIVE;
  if (events == (FL_EV_IN | FL_EV_OUT) && fl_sys_unread(fd) > 0)
    return FL_READABLE;

  fl_sys_inspect(fd, events, memo, &seen);
  return fl_judge(&seen).status;
}

/* One fd, without the batch: this is what is_alive() in Python costs. */
static int fl_check__one(int fd, uint8_t *status_out) {
  uint8_t events;
  int rc = fl_sys_glance(&fd, 1, &events);
  if (rc < 0)
    return rc;
  fl_sys_memo_t memo = fl_sys_memo();
  *status_out = fl_check__status(fd, events, &memo);
  return 0;
}

int fl_check(const int *fds, size_t n, uint8_t *status_out) {
  fl_sys_memo_t memo = fl_sys_memo();
  fl_check__batch_t batch;

  if (n == 1)
    return fl_check__one(*fds, status_out);
  for (size_t done = 0; done < n; done += batch.n) {
    int rc = fl_check__glance(fds + done, n - done, &batch);
    if (rc < 0)
      return rc;
    for (size_t i = 0; i < batch.n; i++)
      status_out[done + i] =
          fl_check__status(batch.fds[i], batch.events[i], &memo);
  }
  return 0;
}

int fl_observe(const int *fds, size_t n, fl_observation_t *observation_out) {
  fl_sys_memo_t memo = fl_sys_memo();
  fl_check__batch_t batch;

  for (size_t done = 0; done < n; done += batch.n) {
    int rc = fl_check__glance(fds + done, n - done, &batch);
    if (rc < 0)
      return rc;
    for (size_t i = 0; i < batch.n; i++)
      fl_sys_inspect(batch.fds[i], batch.events[i], &memo,
                     &observation_out[done + i]);
  }
  return 0;
}
