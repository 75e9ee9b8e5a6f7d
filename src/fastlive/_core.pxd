"""Mirror of csrc/fl.h, as far as `_core.pyx` uses it."""

from libc.stdint cimport int64_t, uint8_t


cdef extern from "fl.h" nogil:
    enum:
        FL_ALIVE
        FL_READABLE
        FL_STALLED
        FL_SUSPECT
        FL_PEER_CLOSED
        FL_EV_PRI

    ctypedef struct fl_observation_t:
        int64_t kind
        int64_t events
        int64_t state
        int64_t unread
        int64_t retransmits
        int64_t probes
        int64_t backoff
        int64_t rto_us
        int64_t rtt_us
        int64_t snd_wnd
        int64_t notsent_bytes
        int64_t rcv_space
        int64_t segs_in
        int64_t last_data_sent_ms
        int64_t last_data_recv_ms
        int64_t last_ack_recv_ms
        int64_t icmp_only
        int64_t user_timeout_ms
        int64_t keepidle_s
        int64_t keepintvl_s
        int64_t keepcnt
        int64_t syncnt
        int64_t retries2
        int64_t rto_max_ms

    ctypedef struct fl_verdict_t:
        uint8_t status
        bint certain

    int fl_check(const int *fds, size_t n, uint8_t *status_out) noexcept
    int fl_observe(const int *fds, size_t n, fl_observation_t *observation_out) noexcept
    fl_verdict_t fl_judge(const fl_observation_t *seen) noexcept
    int64_t fl_unread(const fl_observation_t *seen) noexcept
    void fl_peek(const int *fds, size_t n, int *result_out) noexcept
    int fl_take_error(int fd, int *error_out) noexcept
