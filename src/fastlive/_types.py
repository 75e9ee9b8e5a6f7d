"""The words of fastlive: plain data, no system call, no dependency.

Codes here are the codes of ``csrc/fl.h``; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from itertools import compress
from typing import NamedTuple, SupportsIndex, overload

_NUMERIC = tuple("bcdoxXneEfFgG%")  # presentation types of int, in a format spec


class Status(IntEnum):
    """What is true of a connection. Codes fit a byte and are never renumbered.

    ALIVE is 0, so ask ``status.alive`` and never ``if status``.

    - ALIVE: Open, nothing to read, nothing wrong seen.
    - READABLE: Open, with unread bytes.
    - STALLED: Open, the peer answers, but its receive window is closed.
    - SUSPECT: Open, but our segments or probes go unanswered.
    - PEER_CLOSED: The peer's FIN has arrived; close() and shutdown(SHUT_WR) look the
      same. Unread bytes may stand before it.
    - LOCAL_SHUT: We shut down one or both directions; no FIN from the peer.
    - CLOSED: Over in an orderly way, or its error has already been reported.
    - RESET: A RST, or a local abort, killed it.
    - TIMED_OUT: The kernel gave up: retransmissions, keepalive or TCP_USER_TIMEOUT.
    - UNREACHABLE: An ICMP error killed it.
    - REFUSED: The handshake was refused.
    - CONNECTING: The handshake is under way.
    - NOT_CONNECTED: Never connected, or disconnected.
    - LISTENING: A listening socket.
    - NOT_STREAM: A socket, but no byte stream (UDP, netlink).
    - NOT_SOCKET: An open file descriptor that is no socket.
    - BAD_FD: No open file descriptor: closed, negative, never opened.
    - UNKNOWN: The platform could not tell.
    """

    ALIVE = 0
    READABLE = 1
    STALLED = 2
    SUSPECT = 3
    PEER_CLOSED = 4
    LOCAL_SHUT = 5
    CLOSED = 6
    RESET = 7
    TIMED_OUT = 8
    UNREACHABLE = 9
    REFUSED = 10
    CONNECTING = 11
    NOT_CONNECTED = 12
    LISTENING = 13
    NOT_STREAM = 14
    NOT_SOCKET = 15
    BAD_FD = 16
    UNKNOWN = 17

    @property
    def alive(self) -> bool:
        """Open in both directions: ALIVE, READABLE, STALLED or SUSPECT."""
        return self <= Status.SUSPECT

    @property
    def gone(self) -> bool:
        """The peer has at least stopped sending: PEER_CLOSED to REFUSED, without LOCAL_SHUT."""
        return Status.PEER_CLOSED <= self <= Status.REFUSED and self is not Status.LOCAL_SHUT

    def __str__(self) -> str:
        return self.name

    def __format__(self, spec: str) -> str:
        return format(int(self) if spec[-1:] in _NUMERIC else self.name, spec)


def _selector(wanted: frozenset[Status]) -> bytes:
    """A table for bytes.translate: 1 for each wanted code, 0 for the rest."""
    return bytes(code in wanted for code in range(256))


_NOT_ALIVE = _selector(frozenset(status for status in Status if not status.alive))


class Statuses(bytes):
    """The answer of `check`: one status a target, in order.

    A ``bytes`` of length n whose items are `Status`; so it compares, hashes,
    pickles and goes to NumPy (``np.frombuffer(statuses, np.uint8)``) as bytes do.
    """

    __slots__ = ()

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> Status: ...
    @overload
    def __getitem__(self, index: slice, /) -> Statuses: ...
    def __getitem__(self, index: SupportsIndex | slice, /) -> Status | Statuses:
        if isinstance(index, slice):
            return Statuses(super().__getitem__(index))
        return Status(super().__getitem__(index))

    def __iter__(self) -> Iterator[Status]:
        return map(Status, super().__iter__())

    def where(self, *statuses: Status) -> list[int]:
        """Return the indexes whose status is one of `statuses`, ascending."""
        return self._indexes(_selector(frozenset(map(Status, statuses))))

    @property
    def dead(self) -> list[int]:
        """The indexes whose status is not `alive <Status.alive>`, ascending."""
        return self._indexes(_NOT_ALIVE)

    def counts(self) -> dict[Status, int]:
        """Return how often each status occurs, in code order, without zeros."""
        return {status: n for status in Status if (n := self.count(status))}

    def _indexes(self, selector: bytes) -> list[int]:
        return list(compress(range(len(self)), self.translate(selector)))

    def __repr__(self) -> str:
        counts = ", ".join(f"{n} {status.name}" for status, n in self.counts().items())
        return f"<Statuses of {len(self)}: {counts}>" if self else "<Statuses of 0>"

    __str__ = __repr__


class Kind(IntEnum):
    """Which rules judge a file descriptor (fl_kind_t)."""

    UNKNOWN = 0
    BAD_FD = 1
    NOT_SOCKET = 2
    NOT_STREAM = 3
    STREAM = 4
    TCP = 5
    MPTCP = 6


class Event(IntEnum):
    """What polling showed (FL_EV_*): bits, the same on every platform."""

    IN = 0x01
    PRI = 0x02
    OUT = 0x04
    ERR = 0x08
    HUP = 0x10
    NVAL = 0x20
    RDHUP = 0x40


class TcpState(IntEnum):
    """TCP states (RFC 9293 section 3.3.2), numbered as Linux does."""

    UNKNOWN = 0
    ESTABLISHED = 1
    SYN_SENT = 2
    SYN_RECV = 3
    FIN_WAIT1 = 4
    FIN_WAIT2 = 5
    TIME_WAIT = 6
    CLOSE = 7
    CLOSE_WAIT = 8
    LAST_ACK = 9
    LISTEN = 10
    CLOSING = 11


class Observation(NamedTuple):
    """Everything that was seen of one fd; -1 means "not told", never 0.

    The fields, their order and units are those of ``csrc/fl_observation.def``.
    """

    kind: int = Kind.UNKNOWN
    events: int = 0
    state: int = TcpState.UNKNOWN
    unread: int = -1
    retransmits: int = -1
    probes: int = -1
    backoff: int = -1
    rto_us: int = -1
    rtt_us: int = -1
    snd_wnd: int = -1
    notsent_bytes: int = -1
    rcv_space: int = -1
    segs_in: int = -1
    last_data_sent_ms: int = -1
    last_data_recv_ms: int = -1
    last_ack_recv_ms: int = -1
    icmp_only: int = -1
    user_timeout_ms: int = -1
    keepidle_s: int = -1
    keepintvl_s: int = -1
    keepcnt: int = -1
    syncnt: int = -1
    retries2: int = -1
    rto_max_ms: int = -1


class Verdict(NamedTuple):
    """A status, and whether it is certain or the likelier of two causes."""

    status: Status
    certain: bool
