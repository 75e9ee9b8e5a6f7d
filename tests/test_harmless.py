"""Looking changes nothing: the application sees what it would have seen unobserved."""

from __future__ import annotations

import fcntl
import os
import resource
import select
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import peers
from aftermath import aftermath, look, watched
from peers import SCENARIOS, Scenario

STREAMS = [scenario for scenario in SCENARIOS if scenario.stream]


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
            epoll = stack.enter_context(watched(sock))
            if observed:
                look(fl, sock)
            traces.append(aftermath(sock, epoll, error_first))
    assert traces[1] == traces[0]


def test_edge_that_was_reported_stays_reported(fl: Any, stack: ExitStack) -> None:
    """Looking makes no new edge."""
    for build in (peers.unread, peers.peer_closed, peers.peer_reset):
        sock = build(stack)
        epoll = stack.enter_context(watched(sock))
        assert epoll.poll(0)
        look(fl, sock)
        assert epoll.poll(0) == []


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


def test_locks_on_files_stay(fl: Any, stack: ExitStack, tmp_path: Path) -> None:
    """Closing a duplicate of a file would drop the process's locks on it (fcntl(2))."""
    file = stack.enter_context((tmp_path / "lock").open("wb"))
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert fl.status(file) is fl.Status.NOT_SOCKET
    fl.check([file, file.fileno()])
    fl.peek([file])
    with pytest.raises(OSError, match="Socket operation on non-socket"):
        fl.take_error(file)
    code = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'wb'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    other = subprocess.run(
        [sys.executable, "-c", code, file.name], capture_output=True, check=False
    )
    assert b"BlockingIOError" in other.stderr


def test_no_fd_left(fl: Any, stack: ExitStack) -> None:
    """When files have run out, and pools sweep, the answers are the same."""
    blocked, gone = peers.unix_blocked(stack), peers.peer_closed(stack)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            os.dup(0)
        statuses = fl.check([blocked.fileno(), gone.fileno()])
        peeked = fl.peek([gone.fileno()])
        error = fl.take_error(gone.fileno())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert list(statuses) == [fl.Status.ALIVE, fl.Status.PEER_CLOSED]
    assert list(peeked) == [0]
    assert error is None
    assert os.get_blocking(gone.fileno())


def test_exceptions_from_signal_handlers_leave_nothing_open(fl: Any, stack: ExitStack) -> None:
    """Ctrl-C may come at any moment: nothing of ours stays open, nothing of theirs is closed."""
    gone = peers.peer_closed(stack)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = len(os.listdir("/proc/self/fd"))
    old = signal.signal(signal.SIGALRM, interrupt)
    caught = 0
    try:
        while caught < 300:
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0003)
                while True:
                    fl.status(gone.fileno())
            except KeyboardInterrupt:
                caught += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert gone.fileno() >= 0
    assert fl.status(gone) is fl.Status.PEER_CLOSED
    assert len(os.listdir("/proc/self/fd")) - before == 0
