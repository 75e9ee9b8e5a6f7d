"""Nothing is lost to bad input: a status for trouble, an exception for misuse."""

from __future__ import annotations

import array
import ctypes
import io
import os
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import peers

N = 10_000


class Named:
    """An object with a fileno()."""

    def __init__(self, fileno: Callable[[], Any]) -> None:
        self.fileno = fileno


def raising(error: BaseException) -> Callable[[], int]:
    def fileno() -> int:
        raise error

    return fileno


class MySocket(socket.socket):
    """A socket that is not exactly socket.socket."""


BAD_FDS = [-1, -(2**31), -(2**63), -(2**100), 2**31 - 1, 2**31, 2**32, 2**63, 2**64 + 3, 10**40]


def test_bad_fds_disturb_nobody(fl: Any, stack: ExitStack) -> None:
    """Every kind of trouble in between ten thousand good ones."""
    alive, _ = peers.connect(stack)
    gone = peers.peer_closed(stack)
    reader = peers.pipe_reader(stack)
    trouble: list[Any] = [
        *BAD_FDS,
        peers.closed_socket(stack),
        Named(raising(ValueError("I/O operation on closed file"))),
        Named(raising(OSError("handle is closed"))),
        io.StringIO(),
        Named(lambda: -1),
        Named(lambda: 2**70),
    ]
    targets: list[Any] = [alive] * N
    for i, target in enumerate(trouble):
        targets[i * 601] = target
    targets[5], targets[N - 1] = reader, gone
    expected = [fl.Status.ALIVE] * N
    for i in range(len(trouble)):
        expected[i * 601] = fl.Status.BAD_FD
    expected[5], expected[N - 1] = fl.Status.NOT_SOCKET, fl.Status.PEER_CLOSED
    assert list(fl.check(targets)) == expected
    assert [fl.status(target) for target in trouble] == [fl.Status.BAD_FD] * len(trouble)
    assert fl.dead(targets) == [t for t, s in zip(targets, expected, strict=True) if not s.alive]


def test_what_may_name_an_fd(fl: Any, stack: ExitStack) -> None:
    """Ints and their kin, and whatever has a fileno()."""
    sock = peers.peer_closed(stack)
    fd = sock.fileno()

    class MyInt(int):
        pass

    mine = stack.enter_context(MySocket(fileno=os.dup(fd)))
    for target in (fd, MyInt(fd), np.int64(fd), np.intc(fd), sock, mine, Named(lambda: fd)):
        assert fl.status(target) is fl.Status.PEER_CLOSED
        assert list(fl.check([target])) == [fl.Status.PEER_CLOSED]
    assert list(fl.check(deque([fd, sock]))) == [fl.Status.PEER_CLOSED] * 2
    assert list(fl.check(range(-3, 0))) == [fl.Status.BAD_FD] * 3


@pytest.mark.parametrize(
    "wrong", [None, 3.0, True, False, "3", b"3", [3], object(), 3j, np.float64(3)]
)
def test_wrong_targets_raise_type_error(fl: Any, stack: ExitStack, wrong: Any) -> None:
    """Before anything happens, naming the place and the type."""
    alive, _ = peers.connect(stack)
    for function in (fl.status, fl.is_alive, fl.is_reusable, fl.take_error):
        with pytest.raises(TypeError, match=f"target: expected an int .*{type(wrong).__name__}"):
            function(wrong)
    out = bytearray(b"\xee" * 3)
    for call in (fl.check, fl.dead, fl.peek, lambda targets: fl.check(targets, out=out)):
        with pytest.raises(TypeError, match=rf"targets\[1\]: expected .*{type(wrong).__name__}"):
            call([alive, wrong, alive])
    assert out == b"\xee" * 3


@pytest.mark.parametrize("wrong", [None, 3.0, True, "3", b"3"])
def test_fileno_that_returns_no_int_raises(fl: Any, wrong: Any) -> None:
    message = rf"targets\[0\]: fileno\(\) returned {type(wrong).__name__}, expected int"
    with pytest.raises(TypeError, match=message):
        fl.check([Named(lambda: wrong)])


def test_other_errors_of_fileno_are_the_callers(fl: Any, stack: ExitStack) -> None:
    alive, _ = peers.connect(stack)
    for error in (RuntimeError("mine"), KeyboardInterrupt(), ZeroDivisionError()):
        with pytest.raises(type(error)):
            fl.check([alive, Named(raising(error))])
        with pytest.raises(type(error)):
            fl.status(Named(raising(error)))


def test_fileno_that_closes_other_sockets(fl: Any, stack: ExitStack) -> None:
    """All names are asked for before the first fd is looked at."""
    first, _ = peers.connect(stack)
    last, _ = peers.connect(stack)

    def fileno() -> int:
        first.close()
        targets.clear()
        return last.fileno()

    targets = [first, Named(fileno), last]
    assert list(fl.check(targets)) == [fl.Status.BAD_FD, fl.Status.ALIVE, fl.Status.ALIVE]


@pytest.mark.parametrize(
    "wrong", [None, 5, 5.0, "abc", {1: 2}, {1, 2}, iter([1]), {}.keys(), object()]
)
def test_wrong_sequences_raise_type_error(fl: Any, wrong: Any) -> None:
    for function in (fl.check, fl.dead, fl.peek):
        with pytest.raises(
            TypeError, match=f"targets: expected a sequence .*{type(wrong).__name__}"
        ):
            function(wrong)


WRONG_BUFFERS = {
    "bytes": b"\0\0\0\0",
    "bytearray": bytearray(8),
    "unsigned": np.zeros(4, np.uintc),
    "short": array.array("h", [0, 0]),
    "long": array.array("q", [0, 0]),
    "float": np.zeros(4, np.float32),
    "bool": np.zeros(4, np.bool_),
    "object": np.array([object()], object),
    "byte order": np.zeros(4, np.dtype(np.intc).newbyteorder()),
    "two dimensions": np.zeros((2, 2), np.intc),
    "no dimension": np.array(3, np.intc),
    "strided": np.zeros(8, np.intc)[::2],
    "reversed": np.zeros(8, np.intc)[::-1],
    "struct": np.zeros(3, [("fd", np.intc)]),
}


@pytest.mark.parametrize("name", WRONG_BUFFERS)
def test_wrong_buffers_raise_value_error(fl: Any, name: str) -> None:
    for function in (fl.check, fl.dead, fl.peek):
        with pytest.raises(ValueError, match="targets: expected a"):
            function(WRONG_BUFFERS[name])


def test_right_buffers(fl: Any, stack: ExitStack) -> None:
    """C int under its several names, read-only ones included."""
    fds = [peers.connect(stack)[0].fileno(), -7, peers.peer_closed(stack).fileno()]
    expected = [fl.Status.ALIVE, fl.Status.BAD_FD, fl.Status.PEER_CLOSED]
    frozen = np.array(fds, np.intc)
    frozen.flags.writeable = False
    buffers: list[Any] = [
        array.array("i", fds),
        memoryview(array.array("i", fds)).toreadonly(),
        memoryview(bytes(array.array("i", fds))).cast("i"),
        memoryview(array.array("i", [0, *fds, 0]))[1:-1],
        np.array(fds, np.int32),
        frozen,
        (ctypes.c_int * 3)(*fds),
    ]
    for buffer in buffers:
        assert list(fl.check(buffer)) == expected
    assert fl.dead(array.array("i", fds)) == fds[1:]
    array_of_long = array.array("l", fds)
    if array_of_long.itemsize == 4:
        assert list(fl.check(array_of_long)) == expected


WRONG_OUTS: dict[str, tuple[Any, type[Exception]]] = {
    "no buffer": ([0, 0, 0], TypeError),
    "str": ("abc", TypeError),
    "int": (3, TypeError),
    "read-only": (b"abc", ValueError),
    "read-only view": (memoryview(bytearray(3)).toreadonly(), ValueError),
    "short": (bytearray(2), ValueError),
    "empty": (bytearray(), ValueError),
    "ints": (array.array("i", [0, 0, 0]), ValueError),
    "signed": (np.zeros(3, np.int8), ValueError),
    "bools": (np.zeros(3, np.bool_), ValueError),
    "strided": (np.zeros(6, np.uint8)[::2], ValueError),
    "two dimensions": (np.zeros((3, 3), np.uint8), ValueError),
}


@pytest.mark.parametrize("name", WRONG_OUTS)
def test_wrong_out_raises_before_anything_happens(fl: Any, stack: ExitStack, name: str) -> None:
    alive, _ = peers.connect(stack)
    out, error = WRONG_OUTS[name]
    before = bytes(out) if not isinstance(out, (int, str)) else out
    with pytest.raises(error, match=r"^out: "):
        fl.check([alive] * 3, out=out)
    assert (bytes(out) if not isinstance(out, (int, str)) else out) == before


def test_wrong_arguments_raise_type_error(fl: Any) -> None:
    for call in (
        fl.check,
        lambda: fl.check([], bytearray()),
        lambda: fl.check(targets=[]),
        fl.status,
        lambda: fl.status(target=3),
        lambda: fl.is_alive(3, True),
        lambda: fl.is_alive(3, open=True),
        lambda: fl.is_reusable(3, half_open=True),
    ):
        with pytest.raises(TypeError):
            call()


def test_list_that_another_thread_changes(fl: Any, stack: ExitStack) -> None:
    """Each answer belongs to a list as it stood at one moment."""
    alive, _ = peers.connect(stack)
    targets: list[Any] = [alive] * 2000
    stop = threading.Event()

    def shrink_and_grow() -> None:
        while not stop.is_set():
            del targets[5:]
            targets.extend([alive] * 1995)

    thread = threading.Thread(target=shrink_and_grow)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    thread.start()
    try:
        for _ in range(300):
            statuses = fl.check(targets)
            assert len(statuses) in (5, 2000)
            assert set(statuses) == {fl.Status.ALIVE}
    finally:
        stop.set()
        thread.join()
        sys.setswitchinterval(interval)


def test_threads_check_the_same_sockets(fl: Any, stack: ExitStack) -> None:
    alive, _ = peers.connect(stack)
    gone = peers.peer_reset(stack)
    targets = [alive, gone, -1] * 400
    expected = fl.check(targets)
    wrong: list[Any] = []

    def ask() -> None:
        wrong.extend(s for s in (fl.check(targets) for _ in range(50)) if s != expected)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


anything = st.one_of(
    st.integers(),
    st.integers(-5, 60),
    st.none(),
    st.booleans(),
    st.floats(),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.integers(-5, 60).map(lambda n: Named(lambda: n)),
    st.one_of(st.floats(), st.none(), st.integers()).map(lambda x: Named(lambda: x)),
    st.sampled_from([OSError, ValueError, RuntimeError, TypeError]).map(
        lambda error: Named(raising(error("told so")))
    ),
)


@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
@given(targets=st.lists(anything, max_size=20))
def test_backends_agree_on_anything(targets: list[Any]) -> None:
    """The same answer, or the same exception with the same words."""
    from fastlive import _core, _pure

    def outcome(backend: Any) -> Any:
        try:
            return list(backend.check(targets, None))
        except (TypeError, RuntimeError) as error:
            return type(error), str(error)

    assert outcome(_pure) == outcome(_core)


@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_backends_agree_on_any_buffer(data: Any) -> None:
    """Formats, shapes, strides and sizes of `targets` and `out` in any mixture."""
    from fastlive import _core, _pure

    dtype = data.draw(
        st.sampled_from(["i1", "u1", "i2", "i4", "<i4", ">i4", "u4", "i8", "f4", "?"])
    )
    shape = data.draw(st.sampled_from([(), (0,), (1,), (7,), (600,), (2, 3)]))
    targets: Any = np.zeros(shape, np.dtype(dtype))  # fd 0: open, and the same for both
    if targets.ndim:
        targets = targets[:: data.draw(st.sampled_from([1, 1, 2, -1]))]
    out_type = data.draw(st.sampled_from(["u1", "i1", "i4", None]))
    size = data.draw(st.sampled_from([0, 1, 7, 600, 700]))
    step = data.draw(st.sampled_from([1, 1, 2]))

    def outcome(backend: Any) -> Any:
        out = None if out_type is None else np.zeros(size, np.dtype(out_type))[::step]
        try:
            return bytes(backend.check(targets, out))
        except (TypeError, ValueError) as error:
            return type(error), str(error)

    assert outcome(_pure) == outcome(_core)


def test_out_of_any_kind_of_byte(fl: Any, stack: ExitStack) -> None:
    """ctypes calls its bytes '<B', which a memoryview can hold and not write."""
    alive, gone = peers.idle(stack), peers.peer_closed(stack)
    mine = stack.enter_context(MySocket(fileno=os.dup(alive.fileno())))
    out = (ctypes.c_ubyte * 3)()
    assert fl.check([alive, gone, mine], out=out) is out
    assert bytes(out) == bytes([fl.Status.ALIVE, fl.Status.PEER_CLOSED, fl.Status.ALIVE])


def test_unaligned_ints(fl: Any, stack: ExitStack) -> None:
    fds = array.array("i", [peers.idle(stack).fileno(), -1, peers.peer_closed(stack).fileno()])
    unaligned = memoryview(b"x" + fds.tobytes())[1:].cast("i")
    assert list(fl.check(unaligned)) == list(fl.check(fds))
    assert list(fl.peek(unaligned)) == list(fl.peek(fds))


class Index:
    """An object with an __index__ of any kind."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __index__(self) -> Any:
        return self.value


@pytest.mark.parametrize("wrong", ["x", 3.7, None])
def test_index_that_returns_no_int_raises(fl: Any, wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"targets\[0\]: expected an int .*, not Index"):
        fl.check([Index(wrong)])
