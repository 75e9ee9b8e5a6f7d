"""Looking changes nothing: the application sees what it would have seen unobserved."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import struct
import termios
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

import peers
from peers import SCENARIOS, Scenario

STREAMS = [scenario for scenario in SCENARIOS if scenario.stream]


def look(fl: Any, sock: socket.socket) -> None:
    """Every function that promises to leave the socket alone."""
    for target in (sock, sock.fileno()):
        fl.status(target)
        fl.is_alive(target)
        fl.is_alive(target, half_open=True)
        fl.is_reusable(target)
        fl.check([target, target])
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
    seen: list[Any] = [epoll.poll(0), epoll.poll(0)]
    seen += [os.get_blocking(sock.fileno()), sock.gettimeout(), attempt(fionread, sock)]
    if error_first:
        seen.append(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    os.set_blocking(sock.fileno(), False)
    seen += [attempt(sock.recv, 100, socket.MSG_DONTWAIT) for _ in range(3)]
    seen += [attempt(sock.send, b"?", socket.MSG_NOSIGNAL) for _ in range(2)]
    seen.append(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    return seen


@pytest.mark.parametrize("error_first", [False, True], ids=["recv first", "SO_ERROR first"])
@pytest.mark.parametrize("scenario", STREAMS, ids=str)
def test_application_sees_what_it_would_have_seen(
    fl: Any, scenario: Scenario, error_first: bool
) -> None:
    """recv three times, send twice, SO_ERROR, epoll's edge, FIONREAD, mode, timeout."""
    traces = []
    for observed in (False, True):
        with ExitStack() as stack:
            sock = scenario.build(stack)
            assert isinstance(sock, socket.socket)
            if sock.fileno() < 0:
                pytest.skip("closed: nothing to see")
            epoll = stack.enter_context(select.epoll())
            edge = select.EPOLLIN | select.EPOLLOUT | select.EPOLLPRI
            # A name of its own for the fd, so that both traces can be compared.
            epoll.register(sock, edge | select.EPOLLRDHUP | select.EPOLLET)
            if observed:
                look(fl, sock)
            trace = aftermath(sock, epoll, error_first)
            trace[0] = [events for _, events in trace[0]]
            traces.append(trace)
    assert traces[1] == traces[0]


def test_timeouts_and_modes_stay(fl: Any, stack: ExitStack) -> None:
    for mode in (None, 0.0, 2.5):
        sock = peers.peer_reset(stack)
        sock.settimeout(mode)
        blocking = os.get_blocking(sock.fileno())
        look(fl, sock)
        assert sock.gettimeout() == mode
        assert os.get_blocking(sock.fileno()) == blocking


def test_peek_offset_stays(fl: Any, stack: ExitStack) -> None:
    """A peek would move SO_PEEK_OFF; a check does not peek."""
    so_peek_off = 42
    ours, peer = peers.connect(stack)
    ours.setsockopt(socket.SOL_SOCKET, so_peek_off, 0)
    peer.send(b"abcdef")
    peers.wait_for(ours, select.POLLIN)
    peer.shutdown(socket.SHUT_WR)
    peers.wait_for(ours, peers.RDHUP)
    look(fl, ours)
    assert ours.getsockopt(socket.SOL_SOCKET, so_peek_off) == 0
    assert ours.recv(3, socket.MSG_PEEK) == b"abc"


def test_error_queue_stays(fl: Any, stack: ExitStack) -> None:
    """The transmit timestamp is still there for whoever asked for it."""
    ours = peers.transmit_timestamp_pending(stack)
    look(fl, ours)
    _, ancillary, _, _ = ours.recvmsg(0, 1000, socket.MSG_ERRQUEUE)
    assert ancillary
