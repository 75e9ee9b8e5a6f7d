"""What loopback cannot show, between two hosts made of network namespaces."""

from __future__ import annotations

import array
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from socket import socket
from typing import Any

import pytest

import netns
from aftermath import aftermath, look, watched
from conftest import IMPLEMENTATIONS, loaded
from netns import SCENARIOS, Net, Scenario

pytestmark = pytest.mark.netns

Built = tuple[socket, Net]


@pytest.fixture(scope="module")
def built() -> Iterator[dict[str, Future[Built]]]:
    """All scenarios, each on hosts of its own, built side by side: most of it is waiting."""
    if netns.why_not():
        pytest.skip(netns.why_not())

    with ExitStack() as opened, ThreadPoolExecutor(len(SCENARIOS)) as pool:
        yield {scenario.name: pool.submit(build, scenario, opened) for scenario in SCENARIOS}


def build(scenario: Scenario, opened: ExitStack) -> Built:
    """Build one on hosts of its own, which stay until `opened` ends."""
    with ExitStack() as stack:
        net = Net(stack)
        sock = scenario.build(stack, net)
        opened.enter_context(stack.pop_all())
        return sock, net


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_every_function_tells_the_situation(
    built: dict[str, Future[Built]], scenario: Scenario
) -> None:
    """Scalar and bulk, int and object, fast and close, on both backends."""
    sock, net = built[scenario.name].result(timeout=60)
    with net.ours.inside():  # where the system's settings are its own
        for implementation in IMPLEMENTATIONS:
            tell(loaded(implementation), scenario, sock)


def tell(fl: Any, scenario: Scenario, sock: socket) -> None:
    expected = fl.Status[scenario.fast]
    fd = sock.fileno()
    assert [fl.status(sock), fl.status(fd)] == [expected, expected]
    assert list(fl.check([sock, fd, -1])) == [expected, expected, fl.Status.BAD_FD]
    assert list(fl.check(array.array("i", [fd, fd]))) == [expected, expected]
    assert fl.is_alive(fd, half_open=True) == expected.alive
    assert fl.is_alive(sock) == expected.alive
    assert fl.is_reusable(fd) == (expected.name in ("ALIVE", "SUSPECT"))
    assert fl.dead([sock]) == ([] if expected.alive else [sock])
    backend = fl._backend.backend
    assert backend.judge(backend.observe(sock)).status.name == scenario.close


#: Inferred from the ICMP error until the first retransmission makes it certain.
IN_BETWEEN = "icmp_error_asked_for"
SETTLED = [s for s in SCENARIOS if s.fast == s.close and s.name != IN_BETWEEN]


@pytest.mark.parametrize("scenario", SETTLED, ids=str)
def test_what_is_inferred_says_so(built: dict[str, Future[Built]], scenario: Scenario) -> None:
    """A verdict that two causes could have left is not certain."""
    from fastlive import _core

    sock, net = built[scenario.name].result(timeout=60)
    with net.ours.inside():
        verdict = _core.judge(_core.observe(sock))
    inferred = {"TIMED_OUT", "UNREACHABLE"}
    by_name = {"rebooted_peer_answers_a_probe", "reset_of_a_slow_reader"}
    by_name |= {name for name in built if name.startswith("reset_while_retransmitting")}
    assert verdict.certain == (verdict.status.name not in inferred and scenario.name not in by_name)


def test_icmp_error_is_told_from_other_errors(built: dict[str, Future[Built]]) -> None:
    """IP_RECVERR is set and nothing else uses the error queue."""
    sock, _ = built[IN_BETWEEN].result(timeout=60)
    for implementation in IMPLEMENTATIONS:
        backend = loaded(implementation)._backend.backend
        assert backend.observe(sock).icmp_only == 1


@pytest.fixture(scope="module")
def twins() -> Iterator[dict[str, list[Future[Built]]]]:
    """Every scenario twice more: one to leave alone, one to look at."""
    if netns.why_not():
        pytest.skip(netns.why_not())
    with ExitStack() as opened, ThreadPoolExecutor(2 * len(SCENARIOS)) as pool:
        yield {
            scenario.name: [pool.submit(build, scenario, opened) for _ in range(2)]
            for scenario in SCENARIOS
        }


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_application_sees_what_it_would_have_seen(
    twins: dict[str, list[Future[Built]]], scenario: Scenario
) -> None:
    """The errno of every death is still there: ETIMEDOUT, EHOSTUNREACH, ECONNABORTED."""
    traces = []
    for observed, future in enumerate(twins[scenario.name]):
        sock, _ = future.result(timeout=60)
        with watched(sock) as epoll:
            if observed:
                for implementation in IMPLEMENTATIONS:
                    look(loaded(implementation), sock)
            traces.append(aftermath(sock, epoll, error_first=True))
    assert traces[1] == traces[0]


def test_fast_open_early_data_is_readable(fl: Any) -> None:
    """A Fast Open server has data before the handshake is over."""
    if netns.why_not():
        pytest.skip(netns.why_not())
    for _ in range(5):
        with ExitStack() as stack:
            sock = netns.fast_open_early_data(stack, Net(stack))
            told = [fl.status(sock), fl.status(sock.fileno()), *fl.check([sock])]
            if netns.retransmits(sock) == 0:  # else it took too long, and is SUSPECT
                assert told == [fl.Status.READABLE] * 3
                return
    pytest.fail("the SYN-ACK was sent again each time before one look was done")
