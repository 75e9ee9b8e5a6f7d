/*
 * fl.h: is this connection still alive, and if not, why?
 *
 * The whole public interface of the C core.  It knows sockets and nothing of
 * Python.  No call here sends a byte, consumes a byte or changes a socket's
 * mode; only fl_peek() and fl_take_error() touch the pending error, and they
 * say so.
 *
 * The work has two halves.  Observing asks the kernel and writes down what it
 * said, as plain data (fl_observation_t).  Judging turns that data into a
 * status (fl_judge) and asks nobody, so every rule of every platform can be
 * tested on any machine.
 *
 * Conventions
 *   - fds[n] goes in, parallel arrays of the same n come out (`..._out`).
 *   - A call returns 0 or more, or -errno.  A bulk call fails as a whole only
 *     when the kernel refuses the batch; the trouble of one fd is a status in
 *     its own slot.
 *   - Nothing allocates, nothing keeps state: every function is reentrant and
 *     safe to call from any number of threads.
 */
#ifndef FL_H
#define FL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is true of a connection.  The codes are part of the interface: they
 * are stored in arrays and never renumbered. */
typedef enum {
  FL_ALIVE = 0,          /* open, nothing to read, nothing wrong seen */
  FL_READABLE = 1,       /* open, unread bytes */
  FL_STALLED = 2,        /* open, the peer answers, its window is closed */
  FL_SUSPECT = 3,        /* open, our segments or probes go unanswered */
  FL_PEER_CLOSED = 4,    /* the peer's FIN has arrived */
  FL_LOCAL_SHUT = 5,     /* we shut down, no FIN from the peer */
  FL_CLOSED = 6,         /* over in order, or its error has been reported */
  FL_RESET = 7,          /* a RST or a local abort killed it */
  FL_TIMED_OUT = 8,      /* the kernel gave up */
  FL_UNREACHABLE = 9,    /* an ICMP error killed it */
  FL_REFUSED = 10,       /* the handshake was refused */
  FL_CONNECTING = 11,    /* the handshake is under way */
  FL_NOT_CONNECTED = 12, /* never connected, or disconnected */
  FL_LISTENING = 13,     /* a listening socket */
  FL_NOT_STREAM = 14,    /* a socket, but no byte stream */
  FL_NOT_SOCKET = 15,    /* an open fd that is no socket */
  FL_BAD_FD = 16,        /* no open fd */
  FL_UNKNOWN = 17        /* the platform could not tell */
} fl_status_t;

/* What kind of thing an fd is: it decides which rules judge it. */
typedef enum {
  FL_KIND_UNKNOWN = 0, /* the platform could not tell */
  FL_KIND_BAD_FD = 1,
  FL_KIND_NOT_SOCKET = 2,
  FL_KIND_NOT_STREAM = 3,
  FL_KIND_STREAM = 4, /* a byte stream without TCP_INFO, such as AF_UNIX */
  FL_KIND_TCP = 5,
  FL_KIND_MPTCP = 6
} fl_kind_t;

/* What polling showed, the same bits on every platform. */
enum {
  FL_EV_IN = 0x01,
  FL_EV_PRI = 0x02,
  FL_EV_OUT = 0x04,
  FL_EV_ERR = 0x08,
  FL_EV_HUP = 0x10,
  FL_EV_NVAL = 0x20,
  FL_EV_RDHUP = 0x40
};

/* TCP states, RFC 9293 section 3.3.2, numbered as Linux does. */
typedef enum {
  FL_TCP_UNKNOWN = 0,
  FL_TCP_ESTABLISHED = 1,
  FL_TCP_SYN_SENT = 2,
  FL_TCP_SYN_RECV = 3,
  FL_TCP_FIN_WAIT1 = 4,
  FL_TCP_FIN_WAIT2 = 5,
  FL_TCP_TIME_WAIT = 6,
  FL_TCP_CLOSE = 7,
  FL_TCP_CLOSE_WAIT = 8,
  FL_TCP_LAST_ACK = 9,
  FL_TCP_LISTEN = 10,
  FL_TCP_CLOSING = 11
} fl_tcp_state_t;

/*
 * Everything that was seen of one fd.  The fields stand in fl_observation.def,
 * each with its unit; -1 means "this platform, kernel or socket does not
 * tell", which is never the same as 0.
 */
typedef struct {
#define X(name, meaning) int64_t name;
#include "fl_observation.def"
#undef X
} fl_observation_t;

/* A status, and whether it is certain: `certain` is false where two causes
 * leave the same traces and the likelier one was named. */
typedef struct {
  uint8_t status; /* fl_status_t */
  bool certain;
} fl_verdict_t;

/*
 * Judges n connections fast: one poll for all, and a closer look only at those
 * in which poll shows anything but "writable" or "writable and readable".  So
 * what poll cannot see (our own SHUT_WR, unread bytes below SO_RCVLOWAT, a
 * writable fd that is no stream) is ALIVE or READABLE here; fl_observe() sees
 * it.
 *   fds         n file descriptors, any int; negative ones are BAD_FD
 *   status_out  n codes (fl_status_t)
 * Returns 0, or -errno (ENOMEM) when the kernel refused to poll the batch; then
 * the contents of status_out are unspecified.
 * Cost: one poll per 512 fds, FIONREAD for each that shows unread bytes, and
 * about 1 us for each that is looked at.
 */
int fl_check(const int *fds, size_t n, uint8_t *status_out);

/*
 * Takes the close look at each of n fds: poll, TCP_INFO, FIONREAD.
 *   observation_out  n observations
 * Returns 0, or -errno as fl_check() does.
 */
int fl_observe(const int *fds, size_t n, fl_observation_t *observation_out);

/* Judges one observation.  Pure: no system call, no state. */
fl_verdict_t fl_judge(const fl_observation_t *seen);

/* Bytes that a read would find now, -1 where that is not known.  Pure. */
int64_t fl_unread(const fl_observation_t *seen);

/*
 * recv(MSG_PEEK|MSG_DONTWAIT) of one byte from each of n fds.
 *   result_out  1 when there is a byte, 0 at EOF, -errno otherwise (-EAGAIN
 *               when there is nothing to read)
 * TAKES THE PENDING ERROR (Linux clears sk_err for whoever reads it first), so
 * the application's next recv sees a clean EOF.  Moves SO_PEEK_OFF.
 */
void fl_peek(const int *fds, size_t n, int *result_out);

/*
 * SO_ERROR of one socket: 0 or the errno, in *error_out.  TAKES THE PENDING
 * ERROR, soft ICMP errors of living connections included.
 * Returns 0, or -errno (EBADF, ENOTSOCK).
 */
int fl_take_error(int fd, int *error_out);

#endif
