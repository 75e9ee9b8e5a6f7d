"""What the fast functions say of every situation that loopback can produce."""

from __future__ import annotations

import array
import errno
import os
import resource
import select
import socket
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

import peers
from peers import SCENARIOS, Scenario


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_every_function_tells_the_situation(fl: Any, scenario: Scenario, stack: ExitStack) -> None:
    """Scalar and bulk, ints, objects and buffers: all say the same."""
    healthy, _ = peers.connect(stack)
    target = scenario.build(stack)
    fd = target if isinstance(target, int) else target.fileno()
    expected = fl.Status[scenario.status]

    for one in (target, fd):
        assert fl.status(one) is expected
        assert fl.is_alive(one) == expected.alive
        half_open = expected.alive or expected is fl.Status.PEER_CLOSED
        assert fl.is_alive(one, half_open=True) == half_open
        assert fl.dead([healthy, one]) == ([] if expected.alive else [one])

    reusable = expected in (fl.Status.ALIVE, fl.Status.STALLED, fl.Status.SUSPECT)
    assert fl.is_reusable(target) == reusable
    mixed = [healthy, target, fd, healthy.fileno(), target]
    answers = [fl.Status.ALIVE, expected, expected, fl.Status.ALIVE, expected]
    assert list(fl.check(mixed)) == answers
    assert list(fl.check(tuple(mixed))) == answers
    fds = [healthy.fileno(), fd, fd]
    for buffer in (
        array.array("i", fds),
        np.array(fds, np.intc),
        memoryview(array.array("i", fds)),
    ):
        assert list(fl.check(buffer)) == [fl.Status.ALIVE, expected, expected]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_backends_observe_the_same(scenario: Scenario, stack: ExitStack) -> None:
    """Every field that does not change with time is the same on both backends."""
    from fastlive import _core, _pure

    target = scenario.build(stack)
    changing = ["last_data_sent_ms", "last_data_recv_ms", "last_ack_recv_ms"]
    changing += ["backoff", "rto_us", "probes"]  # of connections that probe a window
    still = dict.fromkeys(changing, 0)
    before, pure, after = _core.observe(target), _pure.observe(target), _core.observe(target)
    assert pure._replace(**still) in (before._replace(**still), after._replace(**still))
    for judge, seen in ((_core.judge, before), (_pure.judge, pure), (_core.judge, after)):
        assert judge(seen).status.name == scenario.close


def test_scenarios_cover_every_status_loopback_can_show() -> None:
    """What is missing here needs root (test_netns) or another platform."""
    from fastlive import Status

    shown = {scenario.status for scenario in SCENARIOS}
    assert {status.name for status in Status} - shown == {"SUSPECT", "UNREACHABLE", "UNKNOWN"}


def test_nothing_and_one(fl: Any, stack: ExitStack) -> None:
    ours, _ = peers.connect(stack)
    assert fl.check([]) == b""
    assert fl.check(array.array("i")) == b""
    assert fl.check(()) == b""
    assert fl.dead([]) == []
    assert list(fl.peek([])) == []
    assert fl.check([], out=bytearray()) == b""
    assert list(fl.check([ours])) == [fl.Status.ALIVE]


@pytest.mark.parametrize("n", [511, 512, 513, 1024, 1025])
def test_batches_keep_the_order(fl: Any, stack: ExitStack, n: int) -> None:
    """Around the batch size of 512, each answer stands in its own place."""
    alive, _ = peers.connect(stack)
    gone = peers.peer_closed(stack)
    targets = [gone if i % 5 == 3 else -i if i % 7 == 2 else alive for i in range(n)]
    expected = {alive: fl.Status.ALIVE, gone: fl.Status.PEER_CLOSED}
    assert list(fl.check(targets)) == [expected.get(t, fl.Status.BAD_FD) for t in targets]


def test_nineteen_thousand_fds_in_one_call(fl: Any, stack: ExitStack) -> None:
    n = 19_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < n + 200:
        pytest.skip(f"the hard limit on fds is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
    alive, peer = peers.connect(stack)
    gone = peers.peer_reset(stack)
    fds = array.array("i", (os.dup((gone if i % 10 == 0 else alive).fileno()) for i in range(n)))
    for fd in fds:
        stack.callback(os.close, fd)

    statuses = fl.check(fds)
    assert statuses.counts() == {fl.Status.ALIVE: n - n // 10, fl.Status.RESET: n // 10}
    assert statuses.dead == list(range(0, n, 10))
    assert fl.dead(fds) == [fds[i] for i in range(0, n, 10)]
    peer.send(b"x")
    peers.wait_for(alive, select.POLLIN)
    assert fl.check(list(fds)).counts() == {
        fl.Status.READABLE: n - n // 10,
        fl.Status.RESET: n // 10,
    }


def test_more_fds_than_the_limit_allows_to_poll(fl: Any, stack: ExitStack) -> None:
    """poll(2) says EINVAL for nfds above RLIMIT_NOFILE, open or not."""
    alive, _ = peers.connect(stack)
    gone, unread = peers.peer_closed(stack), peers.unread(stack)
    many = [alive, -1] * 298 + [alive, gone, unread, gone]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, hard))
    try:
        statuses = fl.check(many)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    expected = [fl.Status.ALIVE, fl.Status.BAD_FD] * 298
    expected += [fl.Status.ALIVE, fl.Status.PEER_CLOSED, fl.Status.READABLE, fl.Status.PEER_CLOSED]
    assert list(statuses) == expected


def test_out_is_filled_in_place_and_returned(fl: Any, stack: ExitStack) -> None:
    alive, _ = peers.connect(stack)
    for out in (bytearray(b"\xff" * 5), array.array("B", b"\xff" * 5), np.full(5, 255, np.uint8)):
        assert fl.check([alive, -1, alive], out=out) is out
        assert bytes(out) == bytes([fl.Status.ALIVE, fl.Status.BAD_FD, fl.Status.ALIVE, 255, 255])


def test_out_may_alias_the_targets(fl: Any, stack: ExitStack) -> None:
    """Every fd is read before the memory it stands in is written."""
    alive, _ = peers.connect(stack)
    gone = peers.peer_closed(stack)
    n = 1500
    expected = bytes(fl.check([gone if i % 3 == 0 else alive for i in range(n)]))
    for start in (0, 1, 2000, 4 * n - n):
        fds = np.array([(gone if i % 3 == 0 else alive).fileno() for i in range(n)], np.intc)
        out = fds.view(np.uint8)[start : start + n]
        assert fl.check(fds, out=out) is out
        assert bytes(out) == expected


def test_dead_returns_the_targets_themselves(fl: Any, stack: ExitStack) -> None:
    alive, _ = peers.connect(stack)
    gone, half = peers.peer_reset(stack), peers.peer_half_closed(stack)
    found = fl.dead([gone, alive, half, alive, -1])
    assert found[0] is gone
    assert found[1] is half
    assert found[2:] == [-1]


def test_peek_is_recv_raw(fl: Any, stack: ExitStack) -> None:
    targets = [
        peers.idle(stack),
        peers.unread(stack),
        peers.peer_closed(stack),
        peers.peer_reset(stack),
        peers.listening(stack),
        -1,
        peers.pipe_reader(stack),
    ]
    expected = [-errno.EAGAIN, 1, 0, -errno.ECONNRESET, -errno.ENOTCONN, -errno.EBADF]
    results = fl.peek(targets)
    assert isinstance(results, array.array)
    assert results.typecode == "i"
    assert list(results) == [*expected, -errno.ENOTSOCK]


def test_peek_takes_the_pending_error(fl: Any, stack: ExitStack) -> None:
    ours = peers.peer_reset(stack)
    assert list(fl.peek([ours])) == [-errno.ECONNRESET]
    assert ours.recv(1) == b""


def test_take_error_takes_the_exact_error(fl: Any, stack: ExitStack) -> None:
    ours = peers.peer_reset(stack)
    error = fl.take_error(ours)
    assert type(error) is ConnectionResetError
    assert error.errno == errno.ECONNRESET
    assert error.strerror == os.strerror(errno.ECONNRESET)
    assert fl.take_error(ours) is None
    assert ours.recv(1) == b""
    assert type(fl.take_error(peers.refused(stack).fileno())) is ConnectionRefusedError
    assert fl.take_error(peers.idle(stack)) is None


@pytest.mark.parametrize(
    ("make", "expected"),
    [(peers.closed_socket, errno.EBADF), (peers.pipe_reader, errno.ENOTSOCK)],
)
def test_take_error_raises_for_what_is_no_socket(
    fl: Any, stack: ExitStack, make: Any, expected: int
) -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the errno is the point
        fl.take_error(make(stack))
    assert caught.value.errno == expected


def test_stalled_with_nothing_unread_is_reusable(fl: Any, stack: ExitStack) -> None:
    """Alive and nothing unread is the whole of the pool's question."""
    ours = peers.window_closed(stack)
    assert fl.status(ours) is fl.Status.STALLED
    assert fl.is_reusable(ours)


def test_stalled_with_unread_data_is_not_reusable(fl: Any, stack: ExitStack) -> None:
    ours, peer = peers.connect(stack, receive_buffer=4096)
    peers.close_window(ours)
    peer.send(b"unread")
    peers.wait_for(ours, select.POLLIN)
    peers.wait_until(lambda: peers.tcp_info(ours)[4] > 0, "a window probe")
    assert fl.status(ours) is fl.Status.STALLED
    assert fl.is_alive(ours)
    assert not fl.is_reusable(ours)


def test_duplicates_and_dups(fl: Any, stack: ExitStack) -> None:
    """The same fd many times, and other numbers for the same socket."""
    gone = peers.peer_closed(stack)
    other = os.dup(gone.fileno())
    stack.callback(os.close, other)
    assert set(fl.check([gone] * 600 + [other] * 600)) == {fl.Status.PEER_CLOSED}


def test_default_timeout_changes_nothing(fl: Any, stack: ExitStack) -> None:
    """Python puts new socket objects into non-blocking mode under a default timeout."""
    ours = peers.peer_closed(stack)
    socket.setdefaulttimeout(5)
    stack.callback(socket.setdefaulttimeout, None)
    assert fl.status(ours.fileno()) is fl.Status.PEER_CLOSED
    assert fl.take_error(ours.fileno()) is None
    assert list(fl.peek([ours.fileno()])) == [0]
    assert os.get_blocking(ours.fileno())
