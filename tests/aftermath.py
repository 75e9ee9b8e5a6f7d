"""Whether looking has changed anything: all that an application can find out."""

from __future__ import annotations

import array
import errno
import fcntl
import os
import select
import socket
import struct
import termios
from collections.abc import Callable
from typing import Any

EDGE = select.EPOLLIN | select.EPOLLOUT | select.EPOLLPRI | select.EPOLLRDHUP | select.EPOLLET


def watched(sock: socket.socket) -> select.epoll:
    """An edge-triggered epoll of one socket, whose edge is still to be reported."""
    epoll = select.epoll()
    epoll.register(sock, EDGE)
    return epoll


def look(fl: Any, sock: socket.socket) -> None:
    """Every function that promises to leave the socket alone."""
    for target in (sock, sock.fileno()):
        fl.status(target)
        fl.is_alive(target)
        fl.is_alive(target, half_open=True)
        fl.is_reusable(target)
        fl.check([target, target], out=bytearray(2))
        fl.check(array.array("i", [sock.fileno()] * 3))
        fl.dead([target])


def attempt(call: Callable[..., Any], *args: Any) -> Any:
    """What `call` returns, or the name of the errno that it raises."""
    try:
        return call(*args)
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def fionread(sock: socket.socket) -> int:
    answer = fcntl.ioctl(sock, termios.FIONREAD, bytes(4))
    return int(struct.unpack("i", answer)[0])


def aftermath(sock: socket.socket, epoll: select.epoll, error_first: bool) -> list[Any]:
    """Everything that the application can find out, in the order it would."""
    seen: list[Any] = [[events for _, events in epoll.poll(0)] for _ in range(2)]
    seen += [os.get_blocking(sock.fileno()), sock.gettimeout(), attempt(fionread, sock)]
    if error_first:
        seen.append(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    os.set_blocking(sock.fileno(), False)
    seen += [attempt(sock.recv, 100, socket.MSG_DONTWAIT) for _ in range(3)]
    seen += [attempt(sock.send, b"?", socket.MSG_NOSIGNAL) for _ in range(2)]
    seen.append(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    return seen
