"""The main job on real input: ten thousand connections, in every condition.

Another process holds the far ends; known shares of the connections are idle, have
unread data, were closed, reset, given up. Nothing here uses fastlive to find out
what is true: that is known beforehand, and plain poll tells when it has arrived.
"""

from __future__ import annotations

import json
import random
import resource
import select
import socket
import subprocess
import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from fastlive import IMPL, Status, Statuses, _pure, check

CONNECTIONS = 10_000
SPARE_FDS = 100
ROUNDS = 5
PATIENCE = 30.0  # seconds until what was done must have arrived
USER_TIMEOUT_MS = 400
TCP_USER_TIMEOUT = 18  # linux/tcp.h

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Kind:
    """One condition of a connection, how it is brought about, and what it shows."""

    name: str
    share: float
    expected: Status
    orders: tuple[str, ...]  # what the peer is told to do, in order
    shows: int  # the poll event by which we see that it has arrived; 0 for none
    gives_up: bool = False  # our kernel is to give it up


KINDS = (
    Kind("idle", 0.62, Status.ALIVE, (), 0),
    Kind("unread data", 0.12, Status.READABLE, ("send",), select.POLLIN),
    Kind("closed", 0.06, Status.PEER_CLOSED, ("close",), select.POLLRDHUP),
    Kind("closed, unread data", 0.04, Status.PEER_CLOSED, ("send", "close"), select.POLLRDHUP),
    Kind("half-closed", 0.05, Status.PEER_CLOSED, ("half_close",), select.POLLRDHUP),
    Kind("reset", 0.06, Status.RESET, ("reset",), select.POLLERR),
    Kind("reset, unread data", 0.04, Status.RESET, ("send", "reset"), select.POLLERR),
    Kind("timed out", 0.01, Status.TIMED_OUT, (), select.POLLERR, gives_up=True),
)


@dataclass(frozen=True, slots=True)
class KindResult:
    """What `check` said of all connections of one kind."""

    kind: str
    count: int
    expected: str
    said: dict[str, int]
    right: bool


@dataclass(frozen=True, slots=True)
class Timing:
    """What one way of asking costs, in ns per connection, and how many times the first."""

    name: str
    ns_idle: float  # the idle ones alone: what a pool asks about
    ratio_idle: float
    ns_all: float  # with the dead ones, which take a closer look
    ratio_all: float


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that the demo found."""

    implementation: str
    connections: int
    ipv4: int
    ipv6: int
    kinds: list[KindResult]
    wrong: int
    timings: list[Timing]
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as ``--json`` prints it."""
        return asdict(self)


class Peer:
    """The process at the far end."""

    def __init__(self, stack: ExitStack) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fastlive._demo_peer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        stack.callback(self._let_go)
        self.addresses: dict[str, tuple[str, int]] = {
            name: (host, port) for name, (host, port) in json.loads(self._answer()).items()
        }

    def order(self, action: str, socks: Sequence[socket.socket]) -> None:
        """Have the peer do something to its ends of these connections."""
        ends = [[int(sock.family), sock.getsockname()[1], sock.getpeername()[1]] for sock in socks]
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": action, "to": ends}) + "\n")
        self.process.stdin.flush()
        self._answer()

    def must_live(self) -> None:
        """Raise if the process has ended, and its connections with it."""
        if self.process.poll() is not None:
            raise RuntimeError(f"the peer process ended with code {self.process.returncode}")

    def _answer(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the peer process ended with code {self.process.wait()}")
        return line

    def _let_go(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def run(connections: int = CONNECTIONS, progress: Progress = lambda *_: None) -> Report:
    """Open the connections, bring about their ends, check them once, and time it.

    Args:
        connections: how many to open; fewer where the limit on fds is lower.
        progress: called with a label, how many are done, and of how many.

    Raises:
        ValueError: the limit on fds leaves no room for one connection of each kind.
        TimeoutError: something did not arrive within 30 s.
    """
    notes: list[str] = []
    total = _room_for(connections, notes)
    with ExitStack() as stack:
        peer = Peer(stack)
        kinds = _deal(total)
        socks = _open(stack, peer, kinds, progress, notes)
        _bring_about(peer, kinds, socks, progress)
        peer.must_live()
        statuses = check(socks)
        results = _judge(kinds, statuses)
        idle = [sock for kind, sock in zip(kinds, socks, strict=True) if kind is KINDS[0]]
        timings = _time(idle, socks, progress)
    ipv6 = sum(sock.family == socket.AF_INET6 for sock in socks)
    return Report(
        implementation=IMPL,
        connections=total,
        ipv4=total - ipv6,
        ipv6=ipv6,
        kinds=results,
        wrong=sum(statuses[i] is not kind.expected for i, kind in enumerate(kinds)),
        timings=timings,
        notes=notes,
    )


def _room_for(connections: int, notes: list[str]) -> int:
    """Raise the soft limit on fds as far as needed, and return how many fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_FDS
    if wanted > soft:
        soft = min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if wanted > soft:
        notes.append(f"{soft - SPARE_FDS} connections: the hard limit on open files is {hard}")
    total = min(connections, max(soft - SPARE_FDS, 0))
    if total < len(KINDS):
        limit = f" (the limit on open files is {soft})" if total < connections else ""
        raise ValueError(f"{total} connections are too few for {len(KINDS)} kinds{limit}")
    return total


def _deal(total: int) -> list[Kind]:
    """A kind for each connection, shuffled the same way each time."""
    kinds = [kind for kind in KINDS[1:] for _ in range(max(1, int(total * kind.share)))]
    kinds += [KINDS[0]] * (total - len(kinds))
    random.Random(total).shuffle(kinds)
    return kinds


def _open(
    stack: ExitStack, peer: Peer, kinds: Sequence[Kind], progress: Progress, notes: list[str]
) -> list[socket.socket]:
    """Connect them all, by IPv4 and IPv6 in turn."""
    hosts = [name for name in ("ipv4", "ipv6") if name in peer.addresses]
    if "ipv6" not in hosts:
        notes.append("IPv4 alone: this machine has no IPv6 loopback address")
    socks = []
    for i, kind in enumerate(kinds):
        name = "small" if kind.gives_up else hosts[i % len(hosts)]
        sock = stack.enter_context(socket.create_connection(peer.addresses[name]))
        socks.append(sock)
        progress("opening connections", i + 1, len(kinds))
    return socks


def _bring_about(
    peer: Peer, kinds: Sequence[Kind], socks: Sequence[socket.socket], progress: Progress
) -> None:
    """Do to each connection what its kind says, and wait until it has arrived."""
    for kind in KINDS:
        of_kind = [sock for k, sock in zip(kinds, socks, strict=True) if k is kind]
        for order in kind.orders:
            peer.order(order, of_kind)
        if kind.gives_up:
            for sock in of_kind:
                _have_given_up(sock)
    _wait(kinds, socks, progress)


def _have_given_up(sock: socket.socket) -> None:
    """Close the peer's window, so that TCP_USER_TIMEOUT ends it: no root needed."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    sock.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
    sock.setblocking(False)
    try:
        while True:
            sock.send(bytes(4096))
    except BlockingIOError:
        sock.setblocking(True)


def _wait(kinds: Sequence[Kind], socks: Sequence[socket.socket], progress: Progress) -> None:
    poll = select.poll()
    wanted = {
        sock.fileno(): kind.shows for kind, sock in zip(kinds, socks, strict=True) if kind.shows
    }
    total = len(wanted)
    for fd, event in wanted.items():
        poll.register(fd, event)
    deadline = time.monotonic() + PATIENCE
    while wanted:
        for fd, shown in poll.poll(1000):
            if shown & wanted[fd]:
                poll.unregister(fd)
                del wanted[fd]
        progress("waiting for their ends", total - len(wanted), total)
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(wanted)} connections have not ended within {PATIENCE} s")


def _judge(kinds: Sequence[Kind], statuses: Statuses) -> list[KindResult]:
    results = []
    for kind in KINDS:
        said = Counter(statuses[i] for i, k in enumerate(kinds) if k is kind)
        results.append(
            KindResult(
                kind=kind.name,
                count=said.total(),
                expected=kind.expected.name,
                said={status.name: n for status, n in said.most_common()},
                right=set(said) == {kind.expected},
            )
        )
    return results


# --- the everyday checkers ----------------------------------------------------


def peek_between_setblocking(sock: socket.socket) -> bool:
    """What most pools do by hand. Takes the pending error away."""
    timeout = sock.gettimeout()
    sock.setblocking(False)
    try:
        return sock.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        sock.settimeout(timeout)


def fresh_poll(sock: socket.socket) -> bool:
    """A poll object for one question: whether it is readable, for whatever reason."""
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return not poll.poll(0)


def _time(
    idle: list[socket.socket], everything: list[socket.socket], progress: Progress
) -> list[Timing]:
    """Time each way of asking, the idle ones first: a peek changes the dead ones."""
    per_idle = _medians(idle, lambda done: progress("timing", done, 2 * ROUNDS))
    per_any = _medians(everything, lambda done: progress("timing", ROUNDS + done, 2 * ROUNDS))
    first_idle, first_any = next(iter(per_idle.values())), next(iter(per_any.values()))
    return [
        Timing(
            name=name,
            ns_idle=round(per_idle[name], 1),
            ratio_idle=round(per_idle[name] / first_idle, 2),
            ns_all=round(per_any[name], 1),
            ratio_all=round(per_any[name] / first_any, 2),
        )
        for name in per_idle
    ]


def _medians(socks: list[socket.socket], done: Callable[[int], None]) -> dict[str, float]:
    """Ns per connection, of rounds interleaved so that noise falls on all alike."""
    fds = array("i", (sock.fileno() for sock in socks))
    ways: dict[str, Callable[[], object]] = {
        "fastlive.check(int32 buffer)": lambda: check(fds),
        "fastlive.check(list of sockets)": lambda: check(socks),
        "fastlive, pure backend": lambda: _pure.check(socks, None),
        "a fresh select.poll for each": lambda: [fresh_poll(sock) for sock in socks],
        "setblocking, peek, setblocking": lambda: [peek_between_setblocking(s) for s in socks],
    }
    if IMPL == "pure":
        del ways["fastlive, pure backend"]  # it is the rows before
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for i in range(ROUNDS):
        for name, way in ways.items():
            way()  # the one before has left its own data in the caches
            start = time.perf_counter_ns()
            way()
            spent[name].append((time.perf_counter_ns() - start) / len(socks))
        done(i + 1)
    return {name: median(ns) for name, ns in spent.items()}
