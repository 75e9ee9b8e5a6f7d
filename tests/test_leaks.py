"""A hundred thousand calls leave neither memory nor file descriptors behind."""

from __future__ import annotations

import array
import gc
import os
import socket
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import pytest

import peers

CALLS = 100_000


def resident_kib() -> int:
    with open("/proc/self/statm", encoding="ascii") as numbers:
        return int(numbers.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


@dataclass
class Targets:
    """What the calls ask about."""

    idle: socket.socket
    gone: socket.socket
    fds: array.array[int]
    out: bytearray


def misuse(fl: Any, t: Targets) -> None:
    with suppress(TypeError):
        fl.check([t.idle, 1.5])


#: Every function, on a path that takes the close look.
WAYS: dict[str, Callable[[Any, Targets], Any]] = {
    "is_alive": lambda fl, t: fl.is_alive(t.gone, half_open=True),
    "is_reusable": lambda fl, t: fl.is_reusable(t.gone),
    "status": lambda fl, t: fl.status(t.gone.fileno()),
    "check list": lambda fl, t: fl.check([t.idle, t.gone, -1]),
    "check buffer": lambda fl, t: fl.check(t.fds),
    "check out": lambda fl, t: fl.check(t.fds, out=t.out),
    "dead": lambda fl, t: fl.dead([t.idle, t.gone]),
    "peek": lambda fl, t: fl.peek([t.idle, t.gone]),
    "take_error": lambda fl, t: fl.take_error(t.gone),
    "misuse": misuse,
}


@pytest.mark.parametrize("name", WAYS)
def test_nothing_is_left_behind(fl: Any, stack: ExitStack, name: str) -> None:
    gone, idle = peers.peer_closed(stack), peers.idle(stack)
    fds = array.array("i", [idle.fileno(), gone.fileno(), -1])
    call, targets = WAYS[name], Targets(idle, gone, fds, bytearray(3))
    for _ in range(2000):
        call(fl, targets)
    gc.collect()
    blocks, resident = sys.getallocatedblocks(), resident_kib()
    open_fds = len(os.listdir("/proc/self/fd"))
    for _ in range(CALLS):
        call(fl, targets)
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == open_fds
    # One block or one byte a call would be 100,000; caches settle within these.
    assert sys.getallocatedblocks() - blocks < 1000
    assert resident_kib() - resident < 1024
