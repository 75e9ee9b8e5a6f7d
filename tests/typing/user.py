"""What a user's type checker must accept, and what it must not; `make lint` runs mypy.

An ignored error that is none fails, because mypy warns of unused ignores.
"""

import ssl
from array import array
from socket import socket

import numpy as np

import fastlive
from fastlive import Status, Statuses


def accepted(sock: socket, tls: ssl.SSLSocket, socks: list[socket], fds: array[int]) -> None:
    """Every way of asking, and the types of the answers."""
    alive: bool = fastlive.is_alive(sock, half_open=True) or fastlive.is_reusable(tls)
    status: Status = fastlive.status(sock.fileno())
    statuses: Statuses = fastlive.check(socks)
    same: Statuses = fastlive.check(fds, out=None)
    first: Status = statuses[0]
    part: Statuses = same[1:]
    counts: dict[Status, int] = part.counts()
    indexes: list[int] = statuses.dead + statuses.where(Status.RESET, first)
    out: bytearray = fastlive.check([sock, 3], out=bytearray(2))
    numbers = np.array([3, 4], np.int32)
    codes = fastlive.check(numbers, out=np.zeros(2, np.uint8))
    for gone in fastlive.dead(socks):
        gone.close()
    for fd in fastlive.dead(fds) + fastlive.dead(numbers):
        print(fd + 1)
    error: OSError | None = fastlive.take_error(sock)
    peeked: array[int] = fastlive.peek(socks)
    print(alive, status, counts, indexes, out, codes, error, peeked)


def refused(socks: list[socket]) -> None:
    """Misuse that a type checker can see."""
    fastlive.status("3")  # type: ignore[arg-type]
    fastlive.is_alive(3, True)  # type: ignore[call-arg]
    fastlive.check(socks, out=5)  # type: ignore[call-overload]
    fastlive.check({3, 4})  # type: ignore[call-overload]
