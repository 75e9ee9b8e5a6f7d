"""make bench: what a check costs, as a ratio to the bare C loop.

Everything runs in one process and interleaved: in each round every way of asking
has its turn in a new order, the floor among them, and each figure is divided by the
floor of its own round. So a machine that is slow for a while is slow for all. The
ratios are what counts; the nanoseconds are for scale.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import random
import resource
import sys
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from socket import create_connection, socket
from statistics import median, quantiles

import checkers
import fastlive
import report
from fastlive._demo import Peer

ROOT = Path(__file__).parents[1]
SIZES = (100, 1_000, 10_000)
DEAD_EVERY = 100  # 1 %
SCALAR_BLOCK = 2_000  # calls
BULK_BLOCK = 30_000  # connections, in as many calls as that takes
# Beside a busy thread a call that releases the GIL takes a switch interval (5 ms) to
# get it back, so a few of those have to do.
BUSY_BLOCK = 20
BUSY_ROUNDS = 8
GIL_SIZES = (1, 100, 500, 1_000, 4_000, 8_000, 16_000, 19_000)


@dataclass
class Figure:
    """One way of asking in one setting."""

    section: str
    name: str
    n: int
    dead_percent: int
    busy_thread: bool
    ns: float  # per connection, median
    above: float  # ns above the floor of the same round, median
    ratio: float  # to the floor of the same round, median
    low: float  # quartiles of that ratio
    high: float


class Floor:
    """The bare C loop, timed inside C; called with the GIL kept."""

    def __init__(self, library: Path) -> None:
        self.kept = ctypes.PyDLL(str(library))
        self.released = ctypes.CDLL(str(library))
        for loaded in (self.kept, self.released):
            loaded.floor_scalar.restype = loaded.floor_bulk.restype = ctypes.c_int64
        self.healthy = ctypes.c_int64()

    def scalar(self, fd: int, times: int) -> float:
        """Nanoseconds per poll of one fd."""
        ns = self.kept.floor_scalar(fd, ctypes.c_int64(times), ctypes.byref(self.healthy))
        return ns / times

    def bulk(self, fds: array[int], times: int, *, keep_gil: bool = True) -> float:
        """Nanoseconds per fd."""
        library = self.kept if keep_gil else self.released
        numbers = (ctypes.c_int * len(fds)).from_buffer(fds)
        size, rounds = ctypes.c_int64(len(fds)), ctypes.c_int64(times)
        ns = library.floor_bulk(numbers, size, rounds, ctypes.byref(self.healthy))
        return ns / times / len(fds)


@contextmanager
def busy_thread(wanted: bool) -> Iterator[None]:
    """A Python thread that computes without a pause."""
    stop = threading.Event()

    def compute() -> None:
        number = 0
        while not stop.is_set():
            for _ in range(1000):
                number += 1

    thread = threading.Thread(target=compute)
    if wanted:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        if wanted:
            thread.join()


def spent(loop: Callable[[], object]) -> int:
    """Nanoseconds that one call takes."""
    start = time.perf_counter_ns()
    loop()
    return time.perf_counter_ns() - start


def figures(
    rounds: list[dict[str, float]], section: str, n: int, dead_percent: int, busy: bool
) -> list[Figure]:
    """Medians and quartiles over the rounds; each round has a "floor"."""
    found = []
    for name in rounds[0]:
        ratios = [ns[name] / ns["floor"] for ns in rounds]
        low, _, high = quantiles(ratios, n=4)
        found.append(
            Figure(
                section=section,
                name=name,
                n=n,
                dead_percent=dead_percent,
                busy_thread=busy,
                ns=median(ns[name] for ns in rounds),
                above=median(ns[name] - ns["floor"] for ns in rounds),
                ratio=median(ratios),
                low=low,
                high=high,
            )
        )
    return found


def measure_scalar(floor: Floor, sock: socket, rounds: int, busy: bool) -> list[Figure]:
    """One idle socket; the empty loop is taken off."""
    loops = checkers.scalar(sock)
    block = BUSY_BLOCK if busy else SCALAR_BLOCK
    found = []
    with busy_thread(busy):
        for _ in range(rounds):
            ns = {"floor": floor.scalar(sock.fileno(), block)}
            nothing = spent(lambda: checkers.empty(block)) / block
            for name in random.sample(list(loops), len(loops)):
                each = spent(lambda loop=loops[name]: loop(block)) / block
                ns[name] = each - nothing
            found.append({name: ns[name] for name in ("floor", *loops)})
    return figures(found, "scalar", 1, 0, busy)


def measure_bulk(
    floor: Floor, socks: list[socket], dead_percent: int, rounds: int, busy: bool
) -> list[Figure]:
    """All of some sockets, each once a call."""
    fds = array("i", (sock.fileno() for sock in socks))
    n = len(socks)
    ways = checkers.bulk(socks, fds, BUSY_BLOCK if busy else n)
    times = 1 if busy else max(1, BULK_BLOCK // n)
    found = []
    with busy_thread(busy):
        for _ in range(rounds):
            ns = {}
            for name in random.sample(list(ways), len(ways)):
                way = ways[name]
                way.ask()  # the one before has left its own data in the caches
                ns[name] = spent(lambda way=way: [way.ask() for _ in range(times)]) / times / way.n
            floor.bulk(fds, 1)
            ns["floor"] = floor.bulk(fds, times)
            found.append({name: ns[name] for name in ("floor", *ways)})
    return figures(found, "bulk", n, dead_percent, busy)


def measure_gil(floor: Floor, socks: list[socket], rounds: int) -> list[dict[str, float]]:
    """The floor called with and without the GIL beside a busy thread: what a call takes."""
    fds = array("i", (sock.fileno() for sock in socks))
    found = []
    with busy_thread(True):
        for n in GIL_SIZES:
            some = array("i", (fds[i % len(fds)] for i in range(n)))
            row: dict[str, float] = {"n": n}
            for name, keep in (("kept", True), ("released", False)):
                calls = [
                    spent(lambda keep=keep, some=some: floor.bulk(some, 1, keep_gil=keep)) / 1000
                    for _ in range(rounds)
                ]
                row[f"{name}_median_us"] = round(median(calls), 1)
                row[f"{name}_p90_us"] = round(quantiles(calls, n=10)[-1], 1)
            found.append(row)
    return found


def connect(stack: ExitStack, n: int) -> tuple[Peer, list[socket]]:
    """N connections whose other ends another process holds."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    peer = Peer(stack)
    address = peer.addresses["ipv4"]
    return peer, [stack.enter_context(create_connection(address)) for _ in range(n)]


def run(
    floor: Floor, rounds: int, sizes: tuple[int, ...], say: Callable[[str], None]
) -> report.Results:
    """Measure everything."""
    found: list[Figure] = []
    with ExitStack() as stack:
        say(f"opening {max(sizes):,} connections")
        peer, socks = connect(stack, max(sizes))
        for busy in (False, True):
            say(f"scalar, {'with' if busy else 'without'} a busy thread")
            found += measure_scalar(floor, socks[0], BUSY_ROUNDS if busy else rounds, busy)
        say("GIL kept or released")
        gil = measure_gil(floor, socks, 2 * rounds)
        for dead_percent in (0, 1):
            if dead_percent:
                peer.order("close", socks[::DEAD_EVERY])
                wait_until_dead(socks[::DEAD_EVERY])
            for n in sizes:
                for busy in (False, True):
                    say(f"{n:,} sockets, {dead_percent} % dead{', busy thread' if busy else ''}")
                    found += measure_bulk(
                        floor, socks[:n], dead_percent, BUSY_ROUNDS if busy else rounds, busy
                    )
    return {"machine": machine(), "figures": [asdict(figure) for figure in found], "gil": gil}


def wait_until_dead(socks: list[socket]) -> None:
    """Until every FIN has arrived."""
    while len(fastlive.dead(socks)) < len(socks):
        time.sleep(0.001)


def machine() -> dict[str, str]:
    """What the figures were taken on."""
    cpus = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    return {
        "cpu": f"{cpus[0].partition(': ')[2] if cpus else platform.machine()} x {os.cpu_count()}",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "fastlive": fastlive.__version__,
        **checkers.VERSIONS,
    }


def main() -> int:
    """Measure, print, write JSON, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30, help="default: %(default)s")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="sockets in bulk")
    parser.add_argument("--floor", type=Path, default=ROOT / "build/floor.so")
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks/results.json")
    parser.add_argument("--svg", type=Path, default=ROOT / "docs/bench.svg")
    options = parser.parse_args()
    if fastlive.IMPL != "c":
        print("the C backend is what is measured here: unset FASTLIVE_IMPL", file=sys.stderr)
        return 1
    with report.progress() as say:
        results = run(Floor(options.floor), options.rounds, tuple(options.sizes), say)
    report.show(results)
    options.json.write_text(json.dumps(results, indent=1) + "\n")
    report.draw(results, options.svg)
    print(f"written: {options.json}, {options.svg}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
