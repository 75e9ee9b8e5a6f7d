"""A hundred thousand calls leave neither memory nor file descriptors behind."""

from __future__ import annotations

import array
import gc
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

import peers

CALLS = 100_000


def resident_kib() -> int:
    with open("/proc/self/statm", encoding="ascii") as numbers:
        return int(numbers.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def calls(fl: Any, stack: ExitStack) -> dict[str, Callable[[], Any]]:
    """Every function, on the path that allocates or opens the most."""
    gone = peers.peer_closed(stack)
    idle = peers.idle(stack)
    fds = array.array("i", [idle.fileno(), gone.fileno(), -1])
    out = bytearray(3)

    def misuse() -> None:
        try:
            fl.check([idle, 1.5])
        except TypeError:
            return

    return {
        "is_alive": lambda: fl.is_alive(gone, half_open=True),
        "is_reusable": lambda: fl.is_reusable(gone),
        "status": lambda: fl.status(gone.fileno()),
        "check list": lambda: fl.check([idle, gone, -1]),
        "check buffer": lambda: fl.check(fds),
        "check out": lambda: fl.check(fds, out=out),
        "dead": lambda: fl.dead([idle, gone]),
        "peek": lambda: fl.peek([idle, gone]),
        "take_error": lambda: fl.take_error(gone),
        "misuse": misuse,
    }


NAMES = [
    "is_alive",
    "is_reusable",
    "status",
    "check list",
    "check buffer",
    "check out",
    "dead",
    "peek",
    "take_error",
    "misuse",
]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_left_behind(fl: Any, stack: ExitStack, name: str) -> None:
    call = calls(fl, stack)[name]
    for _ in range(2000):
        call()
    gc.collect()
    blocks, resident = sys.getallocatedblocks(), resident_kib()
    fds = len(os.listdir("/proc/self/fd"))
    for _ in range(CALLS):
        call()
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == fds
    # One block or one byte a call would be 100,000; caches settle within these.
    assert sys.getallocatedblocks() - blocks < 1000
    assert resident_kib() - resident < 1024
