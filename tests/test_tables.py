"""One fact, one table: what C and Python both know, they know alike."""

from __future__ import annotations

import re
import struct
from enum import IntEnum
from pathlib import Path

import pytest

from fastlive._pure_linux import TCP_INFO_FIELDS
from fastlive._types import Event, Kind, Observation, Status, TcpState

ROOT = Path(__file__).parents[1]
HEADER = (ROOT / "csrc/fl.h").read_text()


def constants(prefix: str) -> dict[str, int]:
    pattern = rf"^  FL_{prefix}(\w+) = (\w+)"
    return {name: int(value, 0) for name, value in re.findall(pattern, HEADER, re.MULTILINE)}


@pytest.mark.parametrize(("prefix", "enum"), [("KIND_", Kind), ("TCP_", TcpState), ("EV_", Event)])
def test_codes_agree(prefix: str, enum: type[IntEnum]) -> None:
    assert constants(prefix) == {name: int(code) for name, code in enum.__members__.items()}


def test_status_codes_agree() -> None:
    others = ("KIND_", "TCP_", "EV_")
    statuses = {n: c for n, c in constants("").items() if not n.startswith(others)}
    assert statuses == {status.name: status.value for status in Status}


def test_observation_fields_agree() -> None:
    table = (ROOT / "csrc/fl_observation.def").read_text()
    assert tuple(re.findall(r"^X\((\w+),", table, re.MULTILINE)) == Observation._fields


def test_tcp_info_offsets_agree() -> None:
    table = (ROOT / "csrc/fl_tcp_info_linux.def").read_text()
    fields = re.findall(r"^X\((\w+), U(\d+), (\d+),", table, re.MULTILINE)
    places = {name: (int(bits) // 8, int(offset)) for name, bits, offset in fields}
    for name, (kind, offset) in TCP_INFO_FIELDS.items():
        kernel_name = re.sub(r"_(us|ms)$", "", name)
        assert (struct.calcsize(kind), offset) == places[kernel_name]


def test_readme_lists_every_status() -> None:
    readme = (ROOT / "README.md").read_text()
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", readme, re.MULTILINE)
    assert [(int(code), name) for code, name in rows] == [(s.value, s.name) for s in Status]
