"""The examples of the README, run."""

from __future__ import annotations

import re
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import peers

README = (Path(__file__).parents[1] / "README.md").read_text()


@pytest.fixture(scope="module")
def examples() -> dict[str, Any]:
    """Everything that the code blocks define."""
    defined: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        exec(block, defined)
    return defined


def test_starts_with_the_two_commands() -> None:
    commands = [line.split()[:2] for line in README.splitlines() if line.startswith("    make ")]
    assert commands == [["make", "demo"], ["make", "test"]]
    assert README.index("make test") < 200


def test_help_runs() -> None:
    """The example in the package's own docstring."""
    import doctest

    import fastlive

    assert doctest.testmod(fastlive) == (0, 6)


def test_pool(examples: dict[str, Any], stack: ExitStack) -> None:
    good = peers.idle(stack)
    dead = [peers.peer_closed(stack), peers.peer_reset(stack), peers.unread(stack)]
    assert examples["get"]([good, *dead]) is good
    assert all(sock.fileno() == -1 for sock in dead)
    assert examples["get"]([]) is None


def test_server(examples: dict[str, Any], stack: ExitStack) -> None:
    ours, client = peers.connect(stack)

    def pieces() -> Any:
        yield b"first"
        client.shutdown(socket.SHUT_RDWR)
        client.close()
        peers.wait_for(ours, peers.RDHUP)
        yield b"second"
        raise AssertionError("worked on for a client that has left")

    examples["answer"](ours, pieces())


def test_service(examples: dict[str, Any], stack: ExitStack, capsys: Any) -> None:
    from fastlive import Status

    gone = peers.peer_reset(stack)
    counts = examples["sweep"]([peers.idle(stack), gone, peers.idle(stack)])
    assert counts == {Status.ALIVE: 2, Status.RESET: 1}
    assert capsys.readouterr().out == f"{gone} RESET\n"
