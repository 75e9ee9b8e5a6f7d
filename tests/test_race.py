"""While the peer ends the connection, every answer is true before or after."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

import peers
from peer_process import PeerProcess

CHECKS = 100_000
CONNECTIONS = 200


def nothing(sock: socket.socket) -> None:
    """The connection stays as it is."""


def shut_both(sock: socket.socket) -> None:
    sock.shutdown(socket.SHUT_RDWR)


def shut_write(sock: socket.socket) -> None:
    sock.shutdown(socket.SHUT_WR)


CASES = [
    # What the peer does, what we did before; what is true before, and after. Our
    # own SHUT_WR is ALIVE to the fast functions until poll shows something.
    ("rst", nothing, {"ALIVE"}, "RESET"),
    ("fin", nothing, {"ALIVE"}, "PEER_CLOSED"),
    ("rst", shut_both, {"LOCAL_SHUT"}, "RESET"),
    ("fin", shut_write, {"ALIVE", "LOCAL_SHUT"}, "CLOSED"),
]


@pytest.mark.parametrize("form", ["bulk", "scalar"])
@pytest.mark.parametrize(("how", "prepare", "before", "after"), CASES)
def test_answers_are_true_before_or_after(
    fl: Any,
    stack: ExitStack,
    form: str,
    how: str,
    prepare: Callable[[socket.socket], None],
    before: set[str],
    after: str,
) -> None:
    """At least 100,000 checks while another process ends the connections."""
    peer = PeerProcess(stack, CONNECTIONS)
    ours = peer.connections
    for sock in ours:
        prepare(sock)
    if prepare is not nothing:
        peers.wait_until(lambda: all(peers.tcp_state(s) == 5 for s in ours), "FIN_WAIT2")
    truths, last = {fl.Status[name] for name in before}, fl.Status[after]
    seen: list[list[int]] = [[] for _ in ours]  # the answers, repetitions left out

    def note(i: int, status: int) -> None:
        if not seen[i] or status != seen[i][-1]:
            seen[i].append(status)

    peer.end_all(how, gap_us=300)
    checks = 0
    while checks < CHECKS or not peer.done():
        if form == "bulk":
            statuses = bytes(fl.check(ours))
            for i in range(len(ours)):
                note(i, statuses[i])
        else:
            for i, sock in enumerate(ours):
                note(i, fl.status(sock))
        checks += len(ours)
    peers.wait_until(lambda: set(fl.check(ours)) == {last}, f"all {after}")
    for i in range(len(ours)):
        note(i, last)
    for answers in seen:
        assert set(answers) <= truths | {last}
        assert answers.index(last) == len(answers) - 1  # it never comes back to life


def test_no_error_is_lost(fl: Any, stack: ExitStack) -> None:
    """A RST that lands during 1,000 checks still reaches the application's recv."""
    peer = PeerProcess(stack, CONNECTIONS)
    peer.end_all("rst", gap_us=200)
    rounds = 0
    while rounds < 1000 or not peer.done():
        fl.check(peer.connections)
        sock = peer.connections[rounds % CONNECTIONS]
        fl.status(sock)
        fl.is_alive(sock, half_open=True)
        fl.is_reusable(sock)
        rounds += 1
    peers.wait_until(lambda: len(fl.dead(peer.connections)) == CONNECTIONS, "all RST")
    for sock in peer.connections:
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
        assert sock.recv(1) == b""
