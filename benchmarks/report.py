"""What people see of the measurements: tables and one plot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

Results = dict[str, Any]

OURS, THEIRS, FLOOR = "#1a7f5a", "#9aa5b1", "#3b4252"


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A line on standard error that says what is being measured."""
    with Console(stderr=True).status("starting") as status:
        yield status.update


def show(results: Results) -> None:
    """Print every figure, a table a setting."""
    console = Console(width=max(100, Console().width))
    for name, value in results["machine"].items():
        console.print(f"{name}: {value}", highlight=False)

    def setting(figure: dict[str, Any]) -> tuple[Any, ...]:
        return (figure["section"], figure["n"], figure["dead_percent"], figure["busy_thread"])

    for (section, n, dead, busy), group in groupby(results["figures"], setting):
        title = "one idle socket" if section == "scalar" else f"{n:,} sockets, {dead} % dead"
        table = Table(title=title + (", beside a busy Python thread" if busy else ""))
        for heading in ("way of asking", "ns", "above floor", "ratio to floor", "quartiles"):
            table.add_column(heading, justify="left" if heading == "way of asking" else "right")
        for figure in group:
            table.add_row(
                figure["name"],
                f"{figure['ns']:,.0f}",
                f"{figure['above']:+,.0f}",
                f"{figure['ratio']:.2f}",
                f"{figure['low']:.2f} .. {figure['high']:.2f}",
            )
        console.print(table)
    table = Table(title="GIL: one call for n fds beside a busy Python thread, us")
    for heading in ("n", "kept: median", "p90", "released: median", "p90"):
        table.add_column(heading, justify="right")
    for row in results["gil"]:
        kept = (f"{row['kept_median_us']:,.0f}", f"{row['kept_p90_us']:,.0f}")
        released = (f"{row['released_median_us']:,.0f}", f"{row['released_p90_us']:,.0f}")
        table.add_row(f"{row['n']:,}", *kept, *released)
    console.print(table)


def draw(results: Results, path: Path) -> None:
    """Two bar charts: one idle socket, and the largest bulk of idle sockets."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.fonttype"] = "none"  # text stays text
    mpl.rcParams["svg.hashsalt"] = "fastlive"  # the same figures give the same file
    import matplotlib.pyplot as plt

    quiet = [f for f in results["figures"] if not f["busy_thread"] and f["dead_percent"] == 0]
    largest = max(f["n"] for f in quiet)
    panels = {
        "one idle socket: ns per check": [f for f in quiet if f["section"] == "scalar"],
        f"{largest:,} idle sockets: ns per socket": [
            f for f in quiet if f["section"] == "bulk" and f["n"] == largest
        ],
    }
    figure, axes = plt.subplots(1, 2, figsize=(13, 4.8))
    for axis, (title, rows) in zip(axes, panels.items(), strict=True):
        _bars(axis, title, sorted(rows, key=lambda row: row["ns"], reverse=True))
    machine = results["machine"]
    figure.text(
        0.01,
        0.01,
        f"Green: fastlive. {machine['cpu']} (virtual), Linux {machine['kernel']}, "
        f"Python {machine['python']}. Medians; in brackets the median ratio to poll(2) in a bare "
        "C loop within the same round.\nPersistent objects tell of events on sockets that were "
        "registered beforehand; fastlive needs no registration and says what has happened.",
        fontsize=8,
        color=FLOOR,
    )
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def _bars(axis: Any, title: str, rows: list[dict[str, Any]]) -> None:
    def color(name: str) -> str:
        return FLOOR if name == "floor" else OURS if name.startswith("fastlive") else THEIRS

    names = ["bare C loop" if row["name"] == "floor" else row["name"] for row in rows]
    bars = axis.barh(names, [row["ns"] for row in rows], color=[color(r["name"]) for r in rows])
    labels = [f" {row['ns']:,.0f} ({row['ratio']:.2f} x)" for row in rows]
    axis.bar_label(bars, labels, fontsize=8)
    axis.set_title(title, fontsize=11)
    axis.margins(x=0.3)
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
