/*
 * fl_judge.c: from what was seen to what is true.
 *
 * One pure function.  The order of the rules matters: certain facts come before
 * suspicion, and suspicion before unread data.  A dead connection keeps no
 * record of what killed it except the pending errno, which must stay where it
 * is; so the cause is inferred from what survives death (retransmits, probes,
 * rto, ages, rcv_space), and a verdict that two causes could have left is
 * marked as not certain.
 *
 * Kernel behaviour: net/ipv4/tcp_timer.c (tcp_write_timeout, tcp_probe_timer,
 * tcp_keepalive_timer), tcp_ipv4.c (tcp_ld_RTO_revert), af_inet; measured on
 * Linux 6.18.  fastlive/_pure_judge.py has the same rules in Python.
 */
#include "fl.h"

enum {
  RTO_MIN_MS = 200,
  RTO_MAX_MS = 120000,    /* TCP_RTO_MAX_MS before it became an option */
  SHIFT_MAX = 20,         /* more back-offs than RTO_MAX_MS lets matter */
  BACKOFFS_THAT_TELL = 2, /* from so many on, rto must have grown */
  RETRIES2_DEFAULT = 15   /* tcp(7) */
};

static fl_verdict_t fl_judge__certain(fl_status_t status) {
  return (fl_verdict_t){.status = (uint8_t)status, .certain = true};
}

static fl_verdict_t fl_judge__inferred(fl_status_t status) {
  return (fl_verdict_t){.status = (uint8_t)status, .certain = false};
}

static int64_t fl_judge__min(int64_t a, int64_t b) { return a < b ? a : b; }

static int64_t fl_judge__ms(int64_t us) { return us > 0 ? us / 1000 : 0; }

int64_t fl_unread(const fl_observation_t *seen) {
  bool over = seen->events & (FL_EV_RDHUP | FL_EV_HUP);

  /* MPTCP counts the end of the stream as one more byte. */
  if (seen->kind == FL_KIND_MPTCP && over && seen->unread > 0)
    return seen->unread - 1;
  /* FIONREAD is 0 in SYN_RECV (Fast Open) and before an out-of-band byte. */
  if ((seen->events & FL_EV_IN) && !over && seen->unread <= 0)
    return 1;
  return seen->unread;
}

/* Open, and nothing to suspect. */
static fl_verdict_t fl_judge__quiet(const fl_observation_t *seen) {
  if (fl_unread(seen) > 0 || (seen->events & FL_EV_PRI))
    return fl_judge__certain(FL_READABLE);
  return fl_judge__certain(FL_ALIVE);
}

/* The connection is open in both directions. */
static fl_verdict_t fl_judge__open(const fl_observation_t *seen) {
  bool window_closed = seen->backoff > 0 && seen->snd_wnd == 0;
  /* A healthy Linux peer leaves every other early window probe unanswered: it
   * sends no two such ACKs within 500 ms (tcp_invalid_ratelimit). */
  int64_t excused_probes = window_closed ? 1 : 0;

  if (seen->retransmits > 0 || seen->probes > excused_probes)
    return fl_judge__certain(FL_SUSPECT);
  if (seen->icmp_only == 1 && (seen->events & FL_EV_ERR))
    return fl_judge__inferred(FL_SUSPECT);
  if (window_closed)
    return fl_judge__certain(FL_STALLED);
  return fl_judge__quiet(seen);
}

/* Died before the handshake was over. */
static fl_verdict_t fl_judge__handshake(const fl_observation_t *seen) {
  if (seen->segs_in > 0)
    return fl_judge__certain(FL_REFUSED);
  /* Kernels up to 6.4 give up after exactly syncnt retransmissions, later ones
   * some (tcp_syn_linear_timeouts) after that. */
  if (seen->syncnt > 0 && seen->retransmits >= seen->syncnt)
    return fl_judge__inferred(FL_TIMED_OUT);
  /* The first SYN timer ignores TCP_USER_TIMEOUT, later ones are cut to it. */
  if (seen->user_timeout_ms > 0 && seen->retransmits > 0 &&
      (seen->retransmits + 1) * fl_judge__ms(seen->rto_us) >=
          seen->user_timeout_ms)
    return fl_judge__inferred(FL_TIMED_OUT);
  return fl_judge__inferred(FL_UNREACHABLE);
}

static int64_t fl_judge__retries2(const fl_observation_t *seen) {
  return seen->retries2 >= 0 ? seen->retries2 : RETRIES2_DEFAULT;
}

static int64_t fl_judge__rto_max_ms(const fl_observation_t *seen) {
  return seen->rto_max_ms > 0 ? seen->rto_max_ms : RTO_MAX_MS;
}

/* How long the kernel retransmits before it gives up, in ms: tcp_timer.c,
 * tcp_model_timeout(). */
static int64_t fl_judge__patience_ms(const fl_observation_t *seen) {
  int64_t rto = RTO_MIN_MS;
  int64_t patience = rto;

  if (seen->user_timeout_ms > 0)
    return seen->user_timeout_ms;
  for (int64_t i = fl_judge__min(fl_judge__retries2(seen), UINT8_MAX); i > 0;
       i--) {
    rto = rto * 2 <= fl_judge__rto_max_ms(seen) ? rto * 2
                                                : fl_judge__rto_max_ms(seen);
    patience += rto;
  }
  return patience;
}

/* Died with data in flight that had been retransmitted.  A timer can only have
 * done it if, when it next fired, the first retransmission was old enough. */
static fl_verdict_t fl_judge__retransmitting(const fl_observation_t *seen) {
  int64_t patience = fl_judge__patience_ms(seen);
  int64_t shift = fl_judge__min(seen->retransmits, SHIFT_MAX);
  int64_t rto = fl_judge__ms(seen->rto_us);
  int64_t base = fl_judge__ms(seen->rtt_us) + RTO_MIN_MS; /* no back-off */
  bool capped = rto >= fl_judge__rto_max_ms(seen);

  /* From when the peer was last heard of to when the next timer would fire:
   * too long if the connection had been idle before. */
  int64_t elapsed =
      fl_judge__min(seen->last_ack_recv_ms, seen->last_data_recv_ms) -
      seen->last_data_sent_ms + rto;

  /* ICMP errors take back a back-off each (RFC 6069): rto has not grown. */
  if (shift >= BACKOFFS_THAT_TELL && rto < (base << shift) / 2 && !capped)
    return fl_judge__inferred(elapsed >= patience ? FL_UNREACHABLE : FL_RESET);

  /* From the first retransmission, as long as each wait doubled the one before
   * it: exact whatever came before. */
  if (!capped)
    elapsed = fl_judge__min(elapsed, 2 * (rto - (rto >> shift)));
  return fl_judge__inferred(elapsed >= patience ? FL_TIMED_OUT : FL_RESET);
}

/* Whether TCP_USER_TIMEOUT can have run out on what waits to be sent.  Window
 * probes carry no data: the wait began after data was last sent. */
static bool fl_judge__unsent_too_long(const fl_observation_t *seen) {
  return seen->user_timeout_ms > 0 &&
         seen->last_data_sent_ms + fl_judge__ms(seen->rto_us) >=
             seen->user_timeout_ms;
}

/* Died with probes unanswered. */
static fl_verdict_t fl_judge__probing(const fl_observation_t *seen) {
  bool over;

  if (seen->notsent_bytes > 0) /* window probes: something waits to be sent */
    over = fl_judge__unsent_too_long(seen) ||
           seen->probes >= fl_judge__retries2(seen);
  else if (seen->user_timeout_ms > 0) /* it replaces TCP_KEEPCNT */
    over = (seen->keepidle_s + seen->probes * seen->keepintvl_s) * 1000 >=
           seen->user_timeout_ms;
  else
    over = seen->keepcnt >= 0 && seen->probes >= seen->keepcnt;
  return fl_judge__inferred(over ? FL_TIMED_OUT : FL_RESET);
}

/* Died with an error that nobody has taken yet. */
static fl_verdict_t fl_judge__killed(const fl_observation_t *seen) {
  if (seen->rcv_space == 0)
    return fl_judge__handshake(seen);
  if (seen->retransmits > 0)
    return fl_judge__retransmitting(seen);
  if (seen->probes > 0)
    return fl_judge__probing(seen);
  if (seen->user_timeout_ms > 0 && seen->snd_wnd == 0 &&
      seen->notsent_bytes > 0)
    return fl_judge__inferred(fl_judge__unsent_too_long(seen) ? FL_TIMED_OUT
                                                              : FL_RESET);
  return fl_judge__certain(FL_RESET);
}

static fl_verdict_t fl_judge__tcp(const fl_observation_t *seen) {
  bool read_shut = seen->events & FL_EV_RDHUP;

  switch (seen->state) {
  case FL_TCP_LISTEN:
    return fl_judge__certain(FL_LISTENING);
  case FL_TCP_SYN_SENT:
    return fl_judge__certain(FL_CONNECTING);
  case FL_TCP_SYN_RECV: /* readable or writable only as a Fast Open server */
    if (seen->events & (FL_EV_IN | FL_EV_OUT))
      return fl_judge__open(seen);
    return fl_judge__certain(FL_CONNECTING);
  case FL_TCP_ESTABLISHED: /* a FIN would have left this state */
    return read_shut ? fl_judge__certain(FL_LOCAL_SHUT) : fl_judge__open(seen);
  case FL_TCP_FIN_WAIT1:
  case FL_TCP_FIN_WAIT2:
    return fl_judge__certain(FL_LOCAL_SHUT);
  case FL_TCP_CLOSE_WAIT:
    return fl_judge__certain(FL_PEER_CLOSED);
  case FL_TCP_CLOSING:
  case FL_TCP_LAST_ACK:
  case FL_TCP_TIME_WAIT:
    return fl_judge__certain(FL_CLOSED);
  case FL_TCP_CLOSE:
    if (!read_shut) /* connect(AF_UNSPEC) leaves an error but nothing shut */
      return fl_judge__certain(FL_NOT_CONNECTED);
    if (seen->events & FL_EV_ERR)
      return fl_judge__killed(seen);
    return fl_judge__certain(seen->rcv_space == 0 ? FL_NOT_CONNECTED
                                                  : FL_CLOSED);
  default:
    return fl_judge__certain(FL_UNKNOWN);
  }
}

/* TCP_INFO speaks of the first subflow only, which may be gone while the
 * connection lives on others; so poll has the last word. */
static fl_verdict_t fl_judge__mptcp(const fl_observation_t *seen) {
  bool read_shut = seen->events & FL_EV_RDHUP;
  bool hung_up = seen->events & FL_EV_HUP;

  if (seen->state == FL_TCP_LISTEN)
    return fl_judge__certain(FL_LISTENING);
  if (seen->state == FL_TCP_SYN_SENT)
    return fl_judge__certain(FL_CONNECTING);
  if (hung_up && (seen->events & FL_EV_ERR)) {
    fl_verdict_t verdict = fl_judge__killed(seen);
    verdict.certain = false;
    return verdict;
  }
  if (hung_up && read_shut) /* shut in both directions */
    return seen->state == FL_TCP_CLOSE ? fl_judge__certain(FL_CLOSED)
                                       : fl_judge__inferred(FL_LOCAL_SHUT);
  if (hung_up) /* connect(AF_UNSPEC) forgets what was received */
    return seen->rcv_space != 0 && seen->segs_in > 0
               ? fl_judge__inferred(FL_CLOSED)
               : fl_judge__inferred(FL_NOT_CONNECTED);
  if (read_shut) /* our own SHUT_RD looks the same */
    return fl_judge__inferred(FL_PEER_CLOSED);
  if (seen->state == FL_TCP_CLOSE) /* the first subflow, not the connection */
    return fl_judge__quiet(seen);
  fl_verdict_t verdict = fl_judge__open(seen);
  verdict.certain = verdict.status <= FL_READABLE; /* of one subflow only */
  return verdict;
}

/* A byte stream that has no TCP_INFO: poll and FIONREAD are all there is, and
 * our own shutdown looks like the peer's. */
static fl_verdict_t fl_judge__stream(const fl_observation_t *seen) {
  bool read_shut = seen->events & FL_EV_RDHUP;

  if (seen->state == FL_TCP_LISTEN)
    return fl_judge__certain(FL_LISTENING);
  if ((seen->events & FL_EV_HUP) && (seen->events & FL_EV_ERR))
    return fl_judge__certain(FL_RESET);
  if ((seen->events & FL_EV_HUP) && !read_shut)
    return fl_judge__certain(FL_NOT_CONNECTED);
  if (read_shut)
    return fl_judge__inferred(FL_PEER_CLOSED);
  return fl_judge__open(seen);
}

fl_verdict_t fl_judge(const fl_observation_t *seen) {
  switch (seen->kind) {
  case FL_KIND_BAD_FD:
    return fl_judge__certain(FL_BAD_FD);
  case FL_KIND_NOT_SOCKET:
    return fl_judge__certain(FL_NOT_SOCKET);
  case FL_KIND_NOT_STREAM:
    return fl_judge__certain(FL_NOT_STREAM);
  case FL_KIND_STREAM:
    return fl_judge__stream(seen);
  case FL_KIND_TCP:
    return fl_judge__tcp(seen);
  case FL_KIND_MPTCP:
    return fl_judge__mptcp(seen);
  default:
    return fl_judge__certain(FL_UNKNOWN);
  }
}
