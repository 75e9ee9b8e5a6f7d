"""The ways of asking that are compared: fastlive's, and what people use today."""

from __future__ import annotations

import select
import socket
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from httpcore._utils import is_socket_readable
from pymongo.socket_checker import SocketChecker
from urllib3.util.wait import wait_for_read

import fastlive
from fastlive import _pure
from fastlive._demo import fresh_poll, peek_between_setblocking

#: Called with how often to repeat; does nothing else than ask.
Loop = Callable[[int], None]

VERSIONS = {name: version(name) for name in ("urllib3", "httpcore", "pymongo")}


def recv_peek(sock: socket.socket) -> bool:
    """The same as between two setblocking calls, for sockets that never wait."""
    try:
        return sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def wait_for_read_now(sock: socket.socket) -> bool:
    """What urllib3's is_connected asks."""
    return wait_for_read(sock, 0.0)


#: Per-socket checkers: each takes a socket, and is looped over in bulk.
PEERS: dict[str, Callable[..., object]] = {
    "httpcore is_socket_readable": is_socket_readable,
    "pymongo SocketChecker": SocketChecker().socket_closed,
    "urllib3 wait_for_read": wait_for_read_now,
    "select.poll, fresh": fresh_poll,
    "recv peek": recv_peek,
    "setblocking + peek": peek_between_setblocking,
}


def repeat(function: Callable[..., object], argument: object) -> Loop:
    """A loop that calls `function(argument)`."""

    def loop(times: int) -> None:
        for _ in range(times):
            function(argument)

    return loop


def empty(times: int) -> None:
    """What the loop itself costs; taken off every scalar figure."""
    for _ in range(times):
        pass


def scalar(sock: socket.socket) -> dict[str, Loop]:
    """One idle socket, asked about again and again."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    epoll = select.epoll()
    epoll.register(sock, select.EPOLLIN)

    loops = {
        "fastlive is_alive(sock)": repeat(fastlive.is_alive, sock),
        "fastlive is_alive(fd)": repeat(fastlive.is_alive, sock.fileno()),
        "fastlive is_reusable(sock)": repeat(fastlive.is_reusable, sock),
        "fastlive status(sock)": repeat(fastlive.status, sock),
        "fastlive pure is_alive(sock)": repeat(_pure.is_alive, sock),
        "select.poll, persistent": repeat(poll.poll, 0),
        "select.epoll, persistent": repeat(epoll.poll, 0),
    }
    return loops | {name: repeat(function, sock) for name, function in PEERS.items()}


@dataclass(frozen=True)
class Bulk:
    """A way of asking about many sockets, and about how many it does."""

    ask: Callable[[], object]
    n: int


def bulk(socks: Sequence[socket.socket], fds: array[int], looped: int) -> dict[str, Bulk]:
    """All sockets, each asked about once; where a loop asks one by one, `looped` of them."""
    everything = list(socks)
    some = everything[:looped]
    out = bytearray(len(fds))
    poll = select.poll()
    epoll = select.epoll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
        epoll.register(fd, select.EPOLLIN)

    def loop_over(function: Callable[..., object]) -> Callable[[], object]:
        return lambda: [function(sock) for sock in some]

    at_once: dict[str, Callable[[], object]] = {
        "fastlive check(int32 buffer)": lambda: fastlive.check(fds),
        "fastlive check(buffer, out=...)": lambda: fastlive.check(fds, out=out),
        "fastlive check(list of sockets)": lambda: fastlive.check(everything),
        "fastlive dead(list of sockets)": lambda: fastlive.dead(everything),
        "fastlive pure check(list)": lambda: _pure.check(everything, None),
        "select.poll, persistent": lambda: poll.poll(0),
        "select.epoll, persistent": lambda: epoll.poll(0, len(everything)),
    }
    one_by_one = {name: loop_over(function) for name, function in PEERS.items()}
    return {name: Bulk(ask, len(everything)) for name, ask in at_once.items()} | {
        name: Bulk(ask, len(some)) for name, ask in one_by_one.items()
    }
