"""Status and Statuses: small values that people read and programs store."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from fastlive import Status, Statuses


def test_alive_and_gone() -> None:
    alive = {Status.ALIVE, Status.READABLE, Status.STALLED, Status.SUSPECT}
    gone = {
        Status.PEER_CLOSED,
        Status.CLOSED,
        Status.RESET,
        Status.TIMED_OUT,
        Status.UNREACHABLE,
        Status.REFUSED,
    }
    assert {status for status in Status if status.alive} == alive
    assert {status for status in Status if status.gone} == gone


def test_status_is_a_number_with_a_name() -> None:
    assert int(Status.RESET) == 7
    assert str(Status.RESET) == "RESET"
    assert f"{Status.RESET:>6}" == " RESET"
    assert f"{Status.RESET:02d}" == "07"
    assert pickle.loads(pickle.dumps(Status.RESET)) is Status.RESET


ALL = Statuses(bytes(Status))


def test_items_are_statuses() -> None:
    assert ALL[7] is Status.RESET
    assert ALL[-1] is Status.UNKNOWN
    assert list(ALL) == list(Status)
    assert list(reversed(ALL)) == list(reversed(Status))
    assert Status.RESET in ALL
    with pytest.raises(IndexError):
        ALL[18]


def test_slices_are_statuses() -> None:
    part = ALL[4:6]
    assert isinstance(part, Statuses)
    assert list(part) == [Status.PEER_CLOSED, Status.LOCAL_SHUT]


def test_where_dead_counts() -> None:
    statuses = Statuses([0, 7, 0, 1, 4, 7])
    assert statuses.where(Status.RESET) == [1, 5]
    assert statuses.where(Status.RESET, Status.READABLE) == [1, 3, 5]
    assert statuses.where() == []
    assert statuses.dead == [1, 4, 5]
    assert statuses.counts() == {
        Status.ALIVE: 2,
        Status.READABLE: 1,
        Status.PEER_CLOSED: 1,
        Status.RESET: 2,
    }
    with pytest.raises(ValueError, match="99"):
        statuses.where(99)  # type: ignore[arg-type]


def test_they_are_bytes() -> None:
    statuses = Statuses([0, 7])
    assert statuses == b"\x00\x07"
    assert hash(statuses) == hash(b"\x00\x07")
    assert np.frombuffer(statuses, np.uint8).tolist() == [0, 7]
    for copied in (pickle.loads(pickle.dumps(statuses)), copy.deepcopy(statuses)):
        assert type(copied) is Statuses
        assert copied == statuses


def test_they_are_readable() -> None:
    assert repr(Statuses([0, 7, 0])) == "<Statuses of 3: 2 ALIVE, 1 RESET>"
    assert str(Statuses()) == "<Statuses of 0>"
