"""The command line: ``fastlive demo``, or ``python -m fastlive demo``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fastlive import IMPL, __version__

if TYPE_CHECKING:
    from fastlive._demo import Progress, Report

WRONG = 1
INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(
        prog="fastlive", description="Is this connection still alive, and if not, why?"
    )
    top.add_argument("--version", action="version", version=f"fastlive {__version__} ({IMPL})")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser(
        "demo",
        help="check ten thousand real connections at once",
        description="Opens real connections over loopback to another process, brings about "
        "the common ways in which one ends, checks all in one call, and compares the time. "
        "Exits with 1 if any verdict is wrong.",
    )
    demo.add_argument(
        "-n",
        "--connections",
        type=_count,
        default=10_000,
        metavar="N",
        help="how many to open, at least 8 "
        "(default: %(default)s, or what the limit on open files allows)",
    )
    demo.add_argument("--json", action="store_true", help="print the result as JSON")
    return top


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code."""
    options = parser().parse_args(argv)
    try:
        return _demo(options.connections, as_json=options.json)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except (NotImplementedError, OSError, RuntimeError, ValueError) as error:
        print(f"fastlive: {error}", file=sys.stderr)
        return WRONG


def _demo(connections: int, *, as_json: bool) -> int:
    if sys.platform != "linux":
        raise NotImplementedError(f"the demo needs Linux's poll and TCP, not {sys.platform!r}")
    if sys.stdout is None:
        raise OSError("standard output is closed")
    from fastlive._demo import run

    if not as_json:
        _rich()  # complain before the work, not after it
    with _progress() as progress:
        report = run(connections, progress)
    if as_json:
        print(json.dumps(report.as_dict(), indent=2))
    else:
        _show(report)
    return WRONG if report.wrong else 0


def _rich() -> Any:
    try:
        import rich.console
        import rich.progress
        import rich.table
    except ImportError as error:
        raise RuntimeError(
            "the tables need rich: pip install 'fastlive[cli]' (--json works without)"
        ) from error
    return rich


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on standard error while there is someone to see it."""
    try:
        rich = _rich()
    except RuntimeError:
        yield lambda *_: None
        return
    console = rich.console.Console(stderr=True)
    with rich.progress.Progress(console=console, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def show(label: str, done: int, total: int) -> None:
            if label not in tasks:
                tasks[label] = bars.add_task(label, total=total)
            bars.update(tasks[label], completed=done)

        yield show


def _show(report: Report) -> None:
    rich = _rich()
    console = rich.console.Console()
    kinds = rich.table.Table(
        title=f"{report.connections:,} connections, one check(), backend {report.implementation}",
        caption=f"{report.ipv4:,} over IPv4, {report.ipv6:,} over IPv6",
    )
    for heading in ("what happened", "connections", "check said", "verdict"):
        kinds.add_column(heading, justify="right" if heading == "connections" else "left")
    for row in report.kinds:
        said = ", ".join(f"{n:,} {status}" for status, n in row.said.items())
        verdict = "[green]right" if row.right else f"[red]wrong: expected {row.expected}"
        kinds.add_row(row.kind, f"{row.count:,}", said, verdict)
    console.print(kinds)

    times = rich.table.Table(title="time per connection")
    times.add_column("way of asking")
    for heading in ("idle ones", "ratio", "all of them", "ratio"):
        times.add_column(heading, justify="right")
    for timing in report.timings:
        idle = (f"{timing.ns_idle:,.0f} ns", f"{timing.ratio_idle:.1f} x")
        everything = (f"{timing.ns_all:,.0f} ns", f"{timing.ratio_all:.1f} x")
        times.add_row(timing.name, *idle, *everything)
    console.print(times)
    for note in report.notes:
        console.print(f"Note: {note}.", style="yellow")
    if report.wrong:
        console.print(f"{report.wrong:,} verdicts are wrong.", style="bold red")
    else:
        right = f"All {report.connections:,} verdicts are right."
        console.print(right, style="bold green", highlight=False)
