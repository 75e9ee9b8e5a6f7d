"""The command line, run as people run it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import fastlive


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fastlive", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_demo_is_right_about_every_connection() -> None:
    done = run("demo", "--json", "--connections", "400")
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["wrong"] == 0
    assert report["connections"] == 400 == sum(kind["count"] for kind in report["kinds"])
    assert report["ipv4"] + report["ipv6"] == 400
    assert all(kind["right"] for kind in report["kinds"])
    assert all(kind["said"] == {kind["expected"]: kind["count"]} for kind in report["kinds"])
    expected = {kind["expected"] for kind in report["kinds"]}
    assert expected == {"ALIVE", "READABLE", "PEER_CLOSED", "RESET", "TIMED_OUT"}
    assert len(report["timings"]) == 5


def test_demo_shows_tables() -> None:
    done = run("demo", "-n", "100", COLUMNS="120")
    assert done.returncode == 0, done.stderr
    assert "All 100 verdicts are right." in done.stdout
    for text in ("half-closed", "TIMED_OUT", "pure backend", "setblocking, peek, setblocking"):
        assert text in done.stdout


def test_demo_exits_with_1_if_a_verdict_is_wrong(monkeypatch: Any, capsys: Any) -> None:
    """Lie about what is expected: the demo must notice."""
    from fastlive import _demo, cli

    lie = _demo.Kind("idle", 0.62, fastlive.Status.RESET, (), 0)
    monkeypatch.setattr(_demo, "KINDS", (lie, *_demo.KINDS[1:]))
    assert cli.main(["demo", "-n", "50", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["wrong"] == report["kinds"][0]["count"]
    assert not report["kinds"][0]["right"]


def test_demo_makes_do_with_few_fds() -> None:
    command = f"ulimit -n 200; exec {sys.executable} -m fastlive demo --json -n 5000"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["connections"] == 100
    assert "the hard limit on open files is 200" in report["notes"][0]


@pytest.mark.parametrize("wrong", ["0", "-1", "x", "1.5"])
def test_wrong_count_is_a_usage_error(wrong: str) -> None:
    done = run("demo", "-n", wrong)
    assert done.returncode == 2
    assert f"'{wrong}' is not a positive whole number" in done.stderr


def test_too_few_connections() -> None:
    done = run("demo", "-n", "3")
    assert done.returncode == 1
    assert done.stderr.strip() == "fastlive: 3 connections are too few for 8 kinds"


def test_ctrl_c_ends_it_quietly() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "fastlive", "demo", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    fds = Path(f"/proc/{process.pid}/fd")
    while process.poll() is None and len(list(fds.iterdir())) < 100:
        pass  # it has begun to open connections when it has a hundred files open
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip().endswith("interrupted")
    assert "Traceback" not in errors


def test_without_rich_the_error_names_the_extra(tmp_path: Path) -> None:
    (tmp_path / "rich.py").write_text("raise ImportError('not installed')\n")
    done = run("demo", "-n", "50", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "pip install 'fastlive[cli]'" in done.stderr
    done = run("demo", "-n", "50", "--json", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0


def test_help_and_version() -> None:
    assert "demo" in run("--help").stdout
    assert "--connections" in run("demo", "--help").stdout
    assert run("--version").stdout == f"fastlive {fastlive.__version__} ({fastlive.IMPL})\n"
    assert run().returncode == 2
