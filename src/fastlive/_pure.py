"""The same functions from the standard library alone.

The fallback where there is no C extension, and the oracle of its tests: it is
written from the same rules and gives the same answers. Observing stands in
`_pure_linux`, judging in `_pure_judge`; here is the backend's face.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from array import array
from collections.abc import Sequence
from typing import Any

from fastlive._pure_judge import judge, unread
from fastlive._pure_linux import Borrowed, glance, inspect, require_linux, unread_bytes
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
from fastlive._types import Event, Observation, Status, Statuses

_ALIVE = int(Event.OUT)
_READABLE = Event.IN | Event.OUT


def observe(target: Any, /) -> Observation:
    """Take the close look at one target."""
    require_linux()
    fd = fd_of(target)
    return inspect(fd, glance([fd])[0])


def _code(fd: int, events: int) -> Status:
    if events == _ALIVE:
        return Status.ALIVE
    # A FIN counts as a byte to read for a moment before poll shows it as a FIN.
    if events == _READABLE and unread_bytes(fd) > 0:
        return Status.READABLE
    return judge(inspect(fd, events)).status


def is_alive(target: Any, /, *, half_open: bool = False) -> bool:
    """Return whether the connection is open, as far as this machine can see.

    One poll; a closer look only where it shows anything else than
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
    They may also be the session tickets that a TLS 1.3 server sends unasked: a
    fresh TLS 1.3 client is not reusable before its first read.

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
        nothing_unread = unread(seen) == 0 and not seen.events & Event.PRI
        return judge(seen).status.alive and nothing_unread and not has_decrypted(target)
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
    require_linux()
    fd = fd_of(target)
    code = _code(fd, glance([fd])[0])
    if code is Status.ALIVE and has_decrypted(target):
        return Status.READABLE
    return code


def _gather(targets: Any) -> tuple[Sequence[Any], list[int]]:
    """The targets, out of anyone's reach, and their fds, negative ones as -1."""
    require_linux()
    if is_buffer(targets):
        fds = [max(fd, NO_FD) for fd in ints_of(targets)]
        return (), fds
    taken = snapshot(targets)
    return taken, fds_of(taken)


def check(targets: Any, out: Any) -> Any:
    """Judge all targets into `out`, or into new Statuses where it is None."""
    taken, fds = _gather(targets)
    view = None if out is None else byte_view(out, len(fds))
    codes = bytearray(map(_code, fds, glance(fds)))
    mark_decrypted(taken, codes)
    if view is None:
        return Statuses(codes)
    struct.pack_into(f"{len(codes)}s", view, 0, codes)
    return out


def peek(targets: Any) -> array[int]:
    """recv(MSG_PEEK|MSG_DONTWAIT) of one byte from each target."""
    _, fds = _gather(targets)
    return array("i", [_peek(fd) for fd in fds])


def _peek(fd: int) -> int:
    if fd == NO_FD:
        return -errno.EBADF
    try:
        with Borrowed(fd) as sock:
            return len(sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except OSError as error:
        return -(error.errno or errno.EIO)


def take_error(target: Any) -> int:
    """Return SO_ERROR and clear it; raise OSError where there is no socket."""
    require_linux()
    fd = fd_of(target)
    if fd == NO_FD:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    with Borrowed(fd) as sock:
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
