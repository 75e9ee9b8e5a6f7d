"""The same functions from the standard library alone.

The fallback where there is no C extension, and the oracle of its tests: it is
written from the same rules (``csrc/fl_judge.c``, ``csrc/fl_sys_linux.c``) and
gives the same answers. The reasons for the rules stand there, once.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import sys
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from fastlive._pure_judge import judge, unread
from fastlive._targets import (
    NO_FD,
    byte_view,
    fd_of,
    fds_of,
    has_decrypted,
    ints_of,
    is_buffer,
    mark_decrypted,
    snapshot,
)
from fastlive._types import Event, Kind, Observation, Status, Statuses, TcpState

if sys.platform == "linux":
    import fcntl

# --- what Linux shows ---------------------------------------------------------

_BATCH = 512

# linux/tcp.h, asm-generic/socket.h and linux/in.h, where `socket` lacks the name.
_TCP_SYNCNT = 7
_TCP_INFO = 11
_TCP_USER_TIMEOUT = 18
_SO_PROTOCOL = 38
_SO_TIMESTAMPING = 37
_SO_ZEROCOPY = 60
_IP_RECVERR = 11
_IPV6_RECVERR = 25
_PROTO_MPTCP = 262
_FIONREAD = 0x541B

_TCP_INFO_SIZE = 280
#: Field of Observation: (struct format, offset in struct tcp_info).
TCP_INFO_FIELDS = {
    "state": ("B", 0),
    "retransmits": ("B", 2),
    "probes": ("B", 3),
    "backoff": ("B", 4),
    "rto_us": ("I", 8),
    "rtt_us": ("I", 68),
    "snd_wnd": ("I", 228),
    "notsent_bytes": ("I", 144),
    "rcv_space": ("I", 96),
    "segs_in": ("I", 140),
    "last_data_sent_ms": ("I", 44),
    "last_data_recv_ms": ("I", 52),
    "last_ack_recv_ms": ("I", 56),
}

_POLL_RDHUP = 0x2000
_ASKED = 0x001 | 0x002 | 0x004 | _POLL_RDHUP  # IN, PRI, OUT, RDHUP
_RDHUP = int(Event.RDHUP)
_ALIVE = int(Event.OUT)
_READABLE = Event.IN | Event.OUT
_DEAD = Event.RDHUP | Event.HUP | Event.ERR


def _require_linux() -> None:
    if sys.platform != "linux":
        raise NotImplementedError(
            f"fastlive's pure backend cannot observe sockets on {sys.platform!r}, only on 'linux'"
        )


def _events(revents: int) -> int:
    """Translate poll's bits: the low six are the same, RDHUP is 0x40 here."""
    return revents & 0x3F | (_RDHUP if revents & _POLL_RDHUP else 0)


def _glance(fds: Sequence[int]) -> list[int]:
    """Stage 1: poll all fds without waiting. One fd may stand there twice."""
    events = dict.fromkeys(fds, 0)
    known = [fd for fd in events if fd != NO_FD]
    events[NO_FD] = Event.NVAL
    for start in range(0, len(known), _BATCH):
        _poll(known[start : start + _BATCH], events)
    return [events[fd] for fd in fds]


def _poll(fds: list[int], events: dict[int, int]) -> None:
    poll = select.poll()
    for fd in fds:
        poll.register(fd, _ASKED)
    try:
        shown = poll.poll(0)
    except OSError as error:
        if error.errno != errno.EINVAL or len(fds) == 1:
            raise
        half = len(fds) // 2  # more fds than RLIMIT_NOFILE
        _poll(fds[:half], events)
        _poll(fds[half:], events)
        return
    for fd, revents in shown:
        events[fd] = _events(revents)


@contextmanager
def _socket_of(fd: int) -> Iterator[socket.socket]:
    """A socket object to ask for options, over a duplicate of `fd`.

    A duplicate, because a socket object closes what it holds when an exception
    (Ctrl-C) comes at the wrong moment. Family, type and SOCK_NONBLOCK are named
    so that Python neither asks for them nor sets the file's blocking mode.
    """
    kind = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
    duplicate = os.dup(fd)
    try:
        sock = socket.socket(socket.AF_INET, kind, 0, fileno=duplicate)
    except BaseException:
        os.close(duplicate)
        raise
    with sock:
        yield sock


def _option(sock: socket.socket, level: int, name: int) -> int:
    """An int option, -1 where this socket has none of that name."""
    try:
        return sock.getsockopt(level, name)
    except OSError:
        return -1


def _tcp_info(sock: socket.socket) -> dict[str, int]:
    """The fields of TCP_INFO that judging needs, as far as the kernel has them."""
    raw = sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _TCP_INFO_SIZE)
    return {
        name: struct.unpack_from(kind, raw, offset)[0]
        for name, (kind, offset) in TCP_INFO_FIELDS.items()
        if offset + struct.calcsize(kind) <= len(raw)
    }


def _unread(fd: int) -> int:
    answer = array("i", [0])
    try:
        fcntl.ioctl(fd, _FIONREAD, answer)
    except OSError:
        return -1
    return answer[0]


def _retries2() -> int:
    try:
        with open("/proc/sys/net/ipv4/tcp_retries2", encoding="ascii") as setting:
            return int(setting.read())
    except (OSError, ValueError):
        return -1


def _inspect(fd: int, events: int) -> Observation:
    """Stage 2: everything else about one fd."""
    if events & Event.NVAL:
        return Observation(kind=Kind.BAD_FD, events=events)
    unread_bytes = _unread(fd)  # first: it waits for a FIN in the midst of its arrival
    try:
        with _socket_of(fd) as sock:
            seen = _inspect_socket(fd, sock, events)
    except OSError as error:
        return _inspect_refused(events, error)
    if seen.kind in (Kind.BAD_FD, Kind.NOT_SOCKET):
        return seen
    return seen._replace(unread=unread_bytes)


def _inspect_refused(events: int, error: OSError) -> Observation:
    """No socket object could be made over the fd."""
    kinds = {errno.EBADF: Kind.BAD_FD, errno.ENOTSOCK: Kind.NOT_SOCKET}
    # Anything else: no fd is left to duplicate it (EMFILE).
    return Observation(kind=kinds.get(error.errno or 0, Kind.UNKNOWN), events=events)


def _inspect_socket(fd: int, sock: socket.socket, events: int) -> Observation:
    try:
        seen = Observation(events=events, **_tcp_info(sock))
    except OSError as error:
        return _inspect_other(sock, events, error.errno)
    # poll may have seen the midst of tcp_reset() or tcp_done(): signs were missing.
    if seen.state == TcpState.CLOSE and events & _DEAD != _DEAD:
        seen = seen._replace(events=_glance([fd])[0])
    mptcp = _option(sock, socket.SOL_SOCKET, _SO_PROTOCOL) == _PROTO_MPTCP
    seen = seen._replace(kind=Kind.MPTCP if mptcp else Kind.TCP)
    return seen._replace(**_about_the_error(sock, seen))


def _inspect_other(sock: socket.socket, events: int, error: int | None) -> Observation:
    """A socket of which no TCP_INFO is known, or no socket."""
    seen = Observation(events=events)
    if error == errno.EBADF:
        return seen._replace(kind=Kind.BAD_FD)
    if error == errno.ENOTSOCK:
        return seen._replace(kind=Kind.NOT_SOCKET)
    kind = _option(sock, socket.SOL_SOCKET, socket.SO_TYPE)
    if kind < 0:
        return seen
    if _option(sock, socket.SOL_SOCKET, socket.SO_ACCEPTCONN) > 0:
        seen = seen._replace(state=TcpState.LISTEN)
    seen = seen._replace(kind=Kind.STREAM if kind == socket.SOCK_STREAM else Kind.NOT_STREAM)
    return seen._replace(**_about_the_error(sock, seen))


def _about_the_error(sock: socket.socket, seen: Observation) -> dict[str, int]:
    """The options that tell what an error in poll means."""
    if not seen.events & Event.ERR:
        return {}
    if seen.state != TcpState.CLOSE:
        asked = (
            _option(sock, socket.IPPROTO_IP, _IP_RECVERR) > 0
            or _option(sock, socket.IPPROTO_IPV6, _IPV6_RECVERR) > 0
        )
        shared = (
            _option(sock, socket.SOL_SOCKET, _SO_TIMESTAMPING) > 0
            or _option(sock, socket.SOL_SOCKET, _SO_ZEROCOPY) > 0
        )
        return {"icmp_only": int(asked and not shared)}
    tcp = socket.IPPROTO_TCP
    told = {"user_timeout_ms": _option(sock, tcp, _TCP_USER_TIMEOUT)}
    if seen.rcv_space == 0:
        told["syncnt"] = _option(sock, tcp, _TCP_SYNCNT)
    if seen.retransmits > 0 or seen.probes > 0:
        told["retries2"] = _retries2()
    if seen.probes > 0:
        told["keepidle_s"] = _option(sock, tcp, socket.TCP_KEEPIDLE)
        told["keepintvl_s"] = _option(sock, tcp, socket.TCP_KEEPINTVL)
        told["keepcnt"] = _option(sock, tcp, socket.TCP_KEEPCNT)
    return told


# --- the backend's face -------------------------------------------------------


def observe(target: Any, /) -> Observation:
    """Take the close look at one target."""
    _require_linux()
    fd = fd_of(target)
    return _inspect(fd, _glance([fd])[0])


def _code(fd: int, events: int) -> Status:
    if events == _ALIVE:
        return Status.ALIVE
    # A FIN counts as a byte to read for a moment before poll shows it as a FIN.
    if events == _READABLE and _unread(fd) > 0:
        return Status.READABLE
    return judge(_inspect(fd, events)).status


def is_alive(target: Any, /, *, half_open: bool = False) -> bool:
    """Return whether the connection is open, as far as this machine can see.

    One poll (0.2 us); a closer look only where it shows anything else than
    "writable" and "readable". Sends nothing, consumes nothing, waits for
    nothing, and leaves the pending error to the application. An idle connection
    whose peer has silently vanished looks alive: nothing but traffic, keepalive
    or a heartbeat can tell.

    Args:
        target: an int fd, or an object with ``fileno()``; a connected stream socket.
        half_open: True counts a peer that has sent its FIN as alive: one that
            only shut down its sending side still waits for our answer.

    Returns:
        True if `status` is ALIVE, READABLE, STALLED or SUSPECT.

    Raises:
        TypeError: `target` is neither an int nor has a ``fileno()`` giving one.

    Source:
        poll(2), tcp(7); RFC 9293 section 3.6 for half-closed connections.
    """
    code = status(target)
    return code.alive or (bool(half_open) and code is Status.PEER_CLOSED)


def is_reusable(target: Any, /) -> bool:
    """Return whether a pool may hand this connection out again.

    That is: it is open, and nothing is unread. Unread bytes on an idle
    connection are a late answer, an error message or the end of TLS; whoever
    gets the connection next would read them as the answer to its own request.

    Args:
        target: an int fd, or an object with ``fileno()``; a connected stream socket.

    Returns:
        True if the connection is alive and has no unread bytes, neither in the
        kernel nor decrypted in an ``ssl.SSLSocket``.

    Raises:
        TypeError: `target` is neither an int nor has a ``fileno()`` giving one.

    Source:
        poll(2), tcp(7).
    """
    code = status(target)
    if code in (Status.STALLED, Status.SUSPECT):
        seen = observe(target)
        return judge(seen).status.alive and unread(seen) == 0 and not has_decrypted(target)
    return code is Status.ALIVE


def status(target: Any, /) -> Status:
    """Return what is true of one connection.

    Made for connected stream sockets. One in which poll sees nothing wrong is
    not looked at further, so what poll cannot see (our own SHUT_WR, unread bytes
    below SO_RCVLOWAT, a writable fd that is no stream) is ALIVE or READABLE;
    SUSPECT and STALLED show only where poll shows something too. Everything else
    is told in full. RESET, TIMED_OUT and UNREACHABLE are inferred from what
    survives the connection, because reading the exact errno would take it away
    from the application.

    Args:
        target: an int fd, or an object with ``fileno()``.

    Returns:
        The `Status`. Bad file descriptors are a status too (BAD_FD, NOT_SOCKET).

    Raises:
        TypeError: `target` is neither an int nor has a ``fileno()`` giving one.

    Source:
        poll(2), tcp(7), ioctl FIONREAD (tcp(7)); the rules in csrc/fl_judge.c.
    """
    _require_linux()
    fd = fd_of(target)
    code = _code(fd, _glance([fd])[0])
    if code is Status.ALIVE and has_decrypted(target):
        return Status.READABLE
    return code


def _gather(targets: Any) -> tuple[Sequence[Any], list[int]]:
    """The targets, out of anyone's reach, and their fds, negative ones as -1."""
    _require_linux()
    if is_buffer(targets):
        fds = [max(fd, NO_FD) for fd in ints_of(targets)]
        return (), fds
    taken = snapshot(targets)
    return taken, fds_of(taken)


def check(targets: Any, out: Any) -> Any:
    """Judge all targets into `out`, or into new Statuses where it is None."""
    taken, fds = _gather(targets)
    codes = byte_view(bytearray(len(fds)) if out is None else out, len(fds))
    for i, (fd, events) in enumerate(zip(fds, _glance(fds), strict=True)):
        codes[i] = _code(fd, events)
    mark_decrypted(taken, codes)
    return Statuses(codes) if out is None else out


def peek(targets: Any) -> array[int]:
    """recv(MSG_PEEK|MSG_DONTWAIT) of one byte from each target."""
    _, fds = _gather(targets)
    return array("i", [_peek(fd) for fd in fds])


def _peek(fd: int) -> int:
    if fd == NO_FD:
        return -errno.EBADF
    try:
        with _socket_of(fd) as sock:
            return len(sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except OSError as error:
        return -(error.errno or errno.EIO)


def take_error(target: Any) -> int:
    """Return SO_ERROR and clear it; raise OSError where there is no socket."""
    _require_linux()
    fd = fd_of(target)
    if fd == NO_FD:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    with _socket_of(fd) as sock:
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
