"""Both judges follow the table of cases, and agree on everything else."""

from __future__ import annotations

import functools
import operator
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlive import _core, _pure, _pure_judge
from fastlive._types import Event, Kind, Observation, Status, TcpState

TABLE = Path(__file__).parent / "c" / "judge_cases.def"
DEAD = Event.IN | Event.RDHUP | Event.HUP | Event.ERR | Event.OUT
CASE = re.compile(
    r'^CASE\("(?P<name>[^"]+)", (?P<status>\w+), (?P<certainty>\w+),\s+'
    r"(?P<kind>\w+)\((?P<state>\w+), (?P<events>[\w|]+)\)(?P<facts>[^)]*)\)$",
    re.MULTILINE,
)
FACT = re.compile(r"seen\.(\w+) = (\d+)")


def events_of(names: str) -> int:
    special = {"NONE": 0, "DEAD": DEAD, **Event.__members__}
    parts = [int(special[name]) for name in names.split("|")]
    return functools.reduce(operator.or_, parts)


def cases() -> list[Any]:
    found = []
    for match in CASE.finditer(TABLE.read_text()):
        facts = {name: int(value) for name, value in FACT.findall(match["facts"])}
        seen = Observation(
            kind=Kind[match["kind"]],
            state=TcpState[match["state"]],
            events=events_of(match["events"]),
            **facts,
        )
        verdict = (Status[match["status"]], match["certainty"] == "CERTAIN")
        found.append(pytest.param(seen, verdict, id=match["name"]))
    return found


def test_every_case_of_the_table_is_read() -> None:
    assert len(cases()) == TABLE.read_text().count("\nCASE(")


@pytest.mark.parametrize("judge", [_core.judge, _pure_judge.judge], ids=["c", "pure"])
@pytest.mark.parametrize(("seen", "verdict"), cases())
def test_case(judge: Any, seen: Observation, verdict: tuple[Status, bool]) -> None:
    assert judge(seen) == verdict


small = st.integers(-1, 20)
number = st.one_of(st.sampled_from([-1, 0, 1, 2]), st.integers(-1, 2**32 - 1))
observations = st.builds(
    Observation,
    kind=st.sampled_from(Kind),
    events=st.integers(0, 0x7F),
    state=st.integers(0, 12),
    unread=number,
    retransmits=st.one_of(small, st.integers(-1, 255)),
    probes=st.one_of(small, st.integers(-1, 255)),
    backoff=small,
    rto_us=st.one_of(number, st.integers(200_000, 130_000_000)),
    rtt_us=st.one_of(number, st.integers(0, 500_000)),
    snd_wnd=number,
    notsent_bytes=number,
    rcv_space=number,
    segs_in=number,
    last_data_sent_ms=st.one_of(number, st.integers(0, 10_000)),
    last_data_recv_ms=st.one_of(number, st.integers(0, 10_000)),
    last_ack_recv_ms=st.one_of(number, st.integers(0, 10_000)),
    icmp_only=st.integers(-1, 1),
    user_timeout_ms=st.one_of(number, st.integers(0, 10_000)),
    keepidle_s=number,
    keepintvl_s=number,
    keepcnt=small,
    syncnt=small,
    retries2=small,
    rto_max_ms=st.one_of(small, st.integers(1000, 120_000)),
)


@settings(deadline=None, max_examples=3000)
@given(seen=observations)
def test_judges_agree(seen: Observation) -> None:
    """Whatever is seen, C and Python draw the same conclusion."""
    assert _pure.judge(seen) == _core.judge(seen)
    assert _pure.unread(seen) == _core.unread(seen)
