"""What Linux shows of a socket, from the standard library alone.

The Python twin of ``csrc/fl_sys_linux.c``: it observes and never judges, in the same
order and for the same reasons, which stand there. It imports on every platform, and
`require_linux` says where it cannot be used.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from _socket import socket as Socket  # the C class: what gevent and others put in place
from array import array
from collections.abc import Sequence
from importlib.util import find_spec, module_from_spec
from typing import Any

from fastlive._targets import NO_FD
from fastlive._types import Event, Kind, Observation, TcpState

if sys.platform == "linux":
    import fcntl
    import termios


def _unpatched_select() -> Any:
    """The select module as it was built: gevent changes poll, eventlet removes it."""
    spec = find_spec("select")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_select = _unpatched_select()


_BATCH = 512

# linux/tcp.h, asm-generic/socket.h and linux/in.h: not every Python has these names.
_TCP_SYNCNT = 7
_TCP_INFO = 11
_TCP_USER_TIMEOUT = 18
_TCP_RTO_MAX_MS = 44
_SO_PROTOCOL = 38
_SO_TIMESTAMPING = 37
_SO_ZEROCOPY = 60
_IP_RECVERR = 11
_IPV6_RECVERR = 25
_PROTO_MPTCP = 262

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

_POLL_RDHUP = getattr(_select, "POLLRDHUP", 0x2000)
_ASKED = 0x001 | 0x002 | 0x004 | _POLL_RDHUP  # IN, PRI, OUT, RDHUP
_RDHUP = int(Event.RDHUP)
_DEAD = Event.RDHUP | Event.HUP | Event.ERR


def require_linux() -> None:
    """Raise NotImplementedError, naming the platform, on any other."""
    if sys.platform != "linux":
        raise NotImplementedError(
            f"fastlive's pure backend cannot observe sockets on {sys.platform!r}, only on 'linux'"
        )


def _events(revents: int) -> int:
    """Translate poll's bits: the low six are the same, RDHUP is 0x40 here."""
    return revents & 0x3F | (_RDHUP if revents & _POLL_RDHUP else 0)


def glance(fds: Sequence[int]) -> list[int]:
    """Stage 1: poll all fds without waiting. One fd may stand there twice."""
    events = dict.fromkeys(fds, 0)
    known = [fd for fd in events if fd != NO_FD]
    events[NO_FD] = Event.NVAL
    for start in range(0, len(known), _BATCH):
        _poll(known[start : start + _BATCH], events)
    return [events[fd] for fd in fds]


def _poll(fds: list[int], events: dict[int, int]) -> None:
    poll = _select.poll()
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


class Borrowed(Socket):
    """A socket object to ask for options, over an fd that is not ours.

    A socket object closes its fd when it goes, which an exception at the wrong
    moment (Ctrl-C) could bring about; the finalizer that does it is put out of
    action here. Family, type and SOCK_NONBLOCK are named so that Python neither
    asks for them nor sets the fd's mode.

    Raises:
        OSError: `fd` is not open (EBADF) or no socket (ENOTSOCK).
    """

    def __init__(self, fd: int) -> None:
        kind = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
        super().__init__(socket.AF_INET, kind, 0, fileno=fd)

    def __enter__(self) -> Borrowed:
        return self

    def __exit__(self, *exception: object) -> None:
        self.detach()

    #: A C method, because an exception from a signal handler is lost in Python's own.
    __del__ = Socket.detach


def _option(sock: Socket, level: int, name: int) -> int:
    """An int option, -1 where this socket has none of that name."""
    try:
        return sock.getsockopt(level, name)
    except OSError:
        return -1


def _tcp_info(sock: Socket) -> dict[str, int]:
    """The fields of TCP_INFO that judging needs, as far as the kernel has them."""
    raw = sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _TCP_INFO_SIZE)
    return {
        name: struct.unpack_from(kind, raw, offset)[0]
        for name, (kind, offset) in TCP_INFO_FIELDS.items()
        if offset + struct.calcsize(kind) <= len(raw)
    }


def unread_bytes(fd: int) -> int:
    """Bytes that wait to be read (FIONREAD), -1 where that cannot be told."""
    answer = array("i", [0])
    try:
        fcntl.ioctl(fd, termios.FIONREAD, answer)
    except OSError:
        return -1
    return answer[0]


def _retries2() -> int:
    try:
        with open("/proc/sys/net/ipv4/tcp_retries2", encoding="ascii") as setting:
            return int(setting.read())
    except (OSError, ValueError):
        return -1


def inspect(fd: int, events: int) -> Observation:
    """Stage 2: everything else about one fd."""
    if events & Event.NVAL:
        return Observation(kind=Kind.BAD_FD, events=events)
    waiting = unread_bytes(fd)  # first: it waits for a FIN in the midst of its arrival
    try:
        with Borrowed(fd) as sock:
            seen = _inspect_socket(fd, sock, events)
    except OSError as error:
        return _inspect_refused(events, error)
    if seen.kind in (Kind.BAD_FD, Kind.NOT_SOCKET):
        return seen
    return seen._replace(unread=waiting)


def _inspect_refused(events: int, error: OSError) -> Observation:
    """No socket object could be made over the fd."""
    kinds = {errno.EBADF: Kind.BAD_FD, errno.ENOTSOCK: Kind.NOT_SOCKET}
    return Observation(kind=kinds.get(error.errno or 0, Kind.UNKNOWN), events=events)


def _inspect_socket(fd: int, sock: Socket, events: int) -> Observation:
    try:
        seen = Observation(events=events, **_tcp_info(sock))
    except OSError as error:
        return _inspect_other(sock, events, error.errno)
    # poll may have seen the midst of tcp_reset() or tcp_done(): signs were missing.
    if seen.state == TcpState.CLOSE and events & _DEAD != _DEAD:
        seen = seen._replace(events=glance([fd])[0])
    mptcp = _option(sock, socket.SOL_SOCKET, _SO_PROTOCOL) == _PROTO_MPTCP
    seen = seen._replace(kind=Kind.MPTCP if mptcp else Kind.TCP)
    return seen._replace(**_about_the_error(sock, seen))


def _inspect_other(sock: Socket, events: int, error: int | None) -> Observation:
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


def _about_the_error(sock: Socket, seen: Observation) -> dict[str, int]:
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
    told = {
        "user_timeout_ms": _option(sock, tcp, _TCP_USER_TIMEOUT),
        "rto_max_ms": _option(sock, tcp, _TCP_RTO_MAX_MS),
    }
    if seen.rcv_space == 0:
        told["syncnt"] = _option(sock, tcp, _TCP_SYNCNT)
    if seen.retransmits > 0 or seen.probes > 0:
        told["retries2"] = _retries2()
    if seen.probes > 0:
        told["keepidle_s"] = _option(sock, tcp, socket.TCP_KEEPIDLE)
        told["keepintvl_s"] = _option(sock, tcp, socket.TCP_KEEPINTVL)
        told["keepcnt"] = _option(sock, tcp, socket.TCP_KEEPCNT)
    return told
