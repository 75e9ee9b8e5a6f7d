"""Judging in Python: the rules of ``csrc/fl_judge.c``, told twice on purpose.

This is the oracle that the C code is tested against, so it shares nothing with
it but the table of cases. The reasons for the rules stand there.
"""

from __future__ import annotations

from fastlive._types import Event, Kind, Observation, Status, TcpState, Verdict

_RETRIES2_DEFAULT = 15
_RTO_MIN_MS = 200
_RTO_MAX_MS = 120_000
_SHIFT_MAX = 20
_BACKOFFS_THAT_TELL = 2  # from so many on, rto must have grown

_BY_KIND: dict[int, Status] = {
    Kind.BAD_FD: Status.BAD_FD,
    Kind.NOT_SOCKET: Status.NOT_SOCKET,
    Kind.NOT_STREAM: Status.NOT_STREAM,
}
_BY_STATE: dict[int, Status] = {
    TcpState.LISTEN: Status.LISTENING,
    TcpState.SYN_SENT: Status.CONNECTING,
    TcpState.FIN_WAIT1: Status.LOCAL_SHUT,
    TcpState.FIN_WAIT2: Status.LOCAL_SHUT,
    TcpState.CLOSE_WAIT: Status.PEER_CLOSED,
    TcpState.CLOSING: Status.CLOSED,
    TcpState.LAST_ACK: Status.CLOSED,
    TcpState.TIME_WAIT: Status.CLOSED,
}


def _certain(status: Status) -> Verdict:
    return Verdict(status, True)


def _inferred(status: Status) -> Verdict:
    return Verdict(status, False)


def _ms(us: int) -> int:
    return max(us, 0) // 1000


def unread(seen: Observation) -> int:
    """Bytes that a read would find now, -1 where that is not known."""
    over = seen.events & (Event.RDHUP | Event.HUP)
    if seen.kind == Kind.MPTCP and over and seen.unread > 0:
        return seen.unread - 1
    if seen.events & Event.IN and not over and seen.unread <= 0:
        return 1
    return seen.unread


def judge(seen: Observation) -> Verdict:
    """Turn what was seen into what is true. Pure."""
    if seen.kind == Kind.TCP:
        return _judge_tcp(seen)
    if seen.kind == Kind.MPTCP:
        return _judge_mptcp(seen)
    if seen.kind == Kind.STREAM:
        return _judge_stream(seen)
    return _certain(_BY_KIND.get(seen.kind, Status.UNKNOWN))


def _judge_quiet(seen: Observation) -> Verdict:
    if unread(seen) > 0 or seen.events & Event.PRI:
        return _certain(Status.READABLE)
    return _certain(Status.ALIVE)


def _judge_open(seen: Observation) -> Verdict:
    window_closed = seen.backoff > 0 and seen.snd_wnd == 0
    excused_probes = 1 if window_closed else 0
    if seen.retransmits > 0 or seen.probes > excused_probes:
        return _certain(Status.SUSPECT)
    if seen.icmp_only == 1 and seen.events & Event.ERR:
        return _inferred(Status.SUSPECT)
    if window_closed:
        return _certain(Status.STALLED)
    return _judge_quiet(seen)


def _judge_tcp(seen: Observation) -> Verdict:
    state = seen.state
    if state == TcpState.ESTABLISHED:
        return _certain(Status.LOCAL_SHUT) if seen.events & Event.RDHUP else _judge_open(seen)
    if state == TcpState.SYN_RECV:
        if seen.events & (Event.IN | Event.OUT):
            return _judge_open(seen)
        return _certain(Status.CONNECTING)
    if state == TcpState.CLOSE:
        return _judge_close(seen)
    return _certain(_BY_STATE.get(state, Status.UNKNOWN))


def _judge_close(seen: Observation) -> Verdict:
    if not seen.events & Event.RDHUP:
        return _certain(Status.NOT_CONNECTED)
    if seen.events & Event.ERR:
        return _judge_killed(seen)
    return _certain(Status.NOT_CONNECTED if seen.rcv_space == 0 else Status.CLOSED)


def _judge_mptcp(seen: Observation) -> Verdict:
    read_shut = seen.events & Event.RDHUP
    hung_up = seen.events & Event.HUP
    if seen.state == TcpState.LISTEN:
        return _certain(Status.LISTENING)
    if seen.state == TcpState.SYN_SENT:
        return _certain(Status.CONNECTING)
    if hung_up and seen.events & Event.ERR:
        return _inferred(_judge_killed(seen).status)
    if hung_up and read_shut:
        if seen.state == TcpState.CLOSE:
            return _certain(Status.CLOSED)
        return _inferred(Status.LOCAL_SHUT)
    if hung_up:
        reported = seen.rcv_space != 0 and seen.segs_in > 0
        return _inferred(Status.CLOSED if reported else Status.NOT_CONNECTED)
    if read_shut:
        return _inferred(Status.PEER_CLOSED)
    if seen.state == TcpState.CLOSE:
        return _judge_quiet(seen)
    status = _judge_open(seen).status
    return Verdict(status, status <= Status.READABLE)


def _judge_stream(seen: Observation) -> Verdict:
    read_shut = seen.events & Event.RDHUP
    hung_up = seen.events & Event.HUP
    if seen.state == TcpState.LISTEN:
        return _certain(Status.LISTENING)
    if hung_up and seen.events & Event.ERR:
        return _certain(Status.RESET)
    if hung_up and not read_shut:
        return _certain(Status.NOT_CONNECTED)
    if read_shut:
        return _inferred(Status.PEER_CLOSED)
    return _judge_open(seen)


def _judge_killed(seen: Observation) -> Verdict:
    if seen.rcv_space == 0:
        return _judge_handshake(seen)
    if seen.retransmits > 0:
        return _judge_retransmitting(seen)
    if seen.probes > 0:
        return _judge_probing(seen)
    if seen.user_timeout_ms > 0 and seen.snd_wnd == 0 and seen.notsent_bytes > 0:
        return _inferred(Status.TIMED_OUT if _unsent_too_long(seen) else Status.RESET)
    return _certain(Status.RESET)


def _judge_handshake(seen: Observation) -> Verdict:
    if seen.segs_in > 0:
        return _certain(Status.REFUSED)
    if 0 < seen.syncnt <= seen.retransmits:
        return _inferred(Status.TIMED_OUT)
    waited = (seen.retransmits + 1) * _ms(seen.rto_us)
    if seen.user_timeout_ms > 0 and seen.retransmits > 0 and waited >= seen.user_timeout_ms:
        return _inferred(Status.TIMED_OUT)
    return _inferred(Status.UNREACHABLE)


def _retries2_of(seen: Observation) -> int:
    return seen.retries2 if seen.retries2 >= 0 else _RETRIES2_DEFAULT


def _rto_max_ms(seen: Observation) -> int:
    return seen.rto_max_ms if seen.rto_max_ms > 0 else _RTO_MAX_MS


def _patience_ms(seen: Observation) -> int:
    """How long the kernel retransmits before it gives up: tcp_model_timeout()."""
    if seen.user_timeout_ms > 0:
        return seen.user_timeout_ms
    retries = min(_retries2_of(seen), 255)
    return _RTO_MIN_MS + sum(
        min(_RTO_MIN_MS << min(i, _SHIFT_MAX), _rto_max_ms(seen)) for i in range(1, retries + 1)
    )


def _judge_retransmitting(seen: Observation) -> Verdict:
    patience = _patience_ms(seen)
    shift = min(seen.retransmits, _SHIFT_MAX)
    rto = _ms(seen.rto_us)
    base = _ms(seen.rtt_us) + _RTO_MIN_MS
    heard = min(seen.last_ack_recv_ms, seen.last_data_recv_ms)
    elapsed = heard - seen.last_data_sent_ms + rto
    capped = rto >= _rto_max_ms(seen)
    if shift >= _BACKOFFS_THAT_TELL and rto < (base << shift) // 2 and not capped:
        return _inferred(Status.UNREACHABLE if elapsed >= patience else Status.RESET)
    if not capped:
        elapsed = min(elapsed, 2 * (rto - (rto >> shift)))
    return _inferred(Status.TIMED_OUT if elapsed >= patience else Status.RESET)


def _unsent_too_long(seen: Observation) -> bool:
    waited = seen.last_data_sent_ms + _ms(seen.rto_us)
    return seen.user_timeout_ms > 0 and waited >= seen.user_timeout_ms


def _judge_probing(seen: Observation) -> Verdict:
    if seen.notsent_bytes > 0:
        over = _unsent_too_long(seen) or seen.probes >= _retries2_of(seen)
    elif seen.user_timeout_ms > 0:
        waited = (seen.keepidle_s + seen.probes * seen.keepintvl_s) * 1000
        over = waited >= seen.user_timeout_ms
    else:
        over = 0 <= seen.keepcnt <= seen.probes
    return _inferred(Status.TIMED_OUT if over else Status.RESET)
