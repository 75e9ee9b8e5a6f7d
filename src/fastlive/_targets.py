"""What may be asked about: targets, sequences of them, and buffers of fds.

A *target* is an ``int`` or an object with ``fileno()``. *Targets* are a sequence
of those, or a one-dimensional C-contiguous buffer of C ``int``. Trouble with one
file descriptor is data (-1, which becomes BAD_FD); a wrong type is misuse and
raises before any system call.

The C backend has short cuts of its own for ints, sockets and sound buffers, and
comes here for everything else; so the rules and the messages stand once.
"""

from __future__ import annotations

import operator
import struct
import sys
from array import array
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, Union

from fastlive._types import Status

if TYPE_CHECKING:
    from typing_extensions import Buffer


class HasFileno(Protocol):
    """Anything that can name its file descriptor."""

    def fileno(self) -> int: ...


class NumPyArray(Protocol):
    """What type checkers know of a NumPy array before Python 3.12 has `Buffer`."""

    @property
    def __array_interface__(self) -> dict[str, Any]: ...


Target: TypeAlias = int | HasFileno
Ints: TypeAlias = Union["Buffer", NumPyArray]  # `Buffer` is known to type checkers alone
Targets: TypeAlias = Sequence[Target] | Ints

NO_FD = -1
INT_MAX = 2**31 - 1
INT_SIZE = 4
NATIVE = "@=<" if sys.byteorder == "little" else "@=>!"  # prefixes of struct formats


def fd_of(target: object, where: str = "target") -> int:
    """Return the file descriptor of `target`, -1 where there can be none.

    A ``fileno()`` that raises OSError or ValueError says, as the standard
    library's objects do, that the object is closed.

    Raises:
        TypeError: `target` is neither an int nor has a ``fileno()`` giving one.
    """
    number: Any = target
    if hasattr(target, "fileno"):
        try:
            number = target.fileno()
        except (OSError, ValueError):
            return NO_FD
    try:
        if isinstance(number, bool):
            raise TypeError("a bool is no file descriptor")
        index = int(operator.index(number))
    except TypeError as error:
        raise TypeError(
            f"{where}: expected an int or an object with fileno(), not {type(target).__name__}"
            if number is target
            else f"{where}: fileno() returned {type(number).__name__}, expected int"
        ) from error
    return index if 0 <= index <= INT_MAX else NO_FD


def fds_of(targets: Iterable[object]) -> list[int]:
    """Return the file descriptor of each target, as `fd_of` does."""
    return [fd_of(target, f"targets[{i}]") for i, target in enumerate(targets)]


def is_buffer(targets: object) -> bool:
    """Whether `targets` exports the buffer protocol."""
    try:
        memoryview(targets).release()  # type: ignore[arg-type]
    except TypeError:
        return False
    except BufferError:
        return True
    return True


def snapshot(targets: object) -> tuple[Target, ...]:
    """Copy a sequence of targets, so that nobody can change it under our hands.

    Raises:
        TypeError: `targets` is no sequence.
    """
    if isinstance(targets, Sequence) and not isinstance(targets, str):
        return tuple(targets)
    raise TypeError(
        "targets: expected a sequence of ints or objects with fileno(), or a buffer of C int, "
        f"not {type(targets).__name__}; list(...) makes one of any iterable"
    )


def int_view(buffer: Any) -> memoryview:
    """Return a view of `buffer` as C ints.

    Raises:
        ValueError: it is not a one-dimensional C-contiguous buffer of C int.
    """
    view = _view(buffer, "targets")
    if view.ndim != 1:
        raise ValueError(f"targets: expected a one-dimensional buffer, not {view.ndim} dimensions")
    if view.itemsize != INT_SIZE or view.format.lstrip(NATIVE) not in ("i", "l"):
        raise ValueError(
            f"targets: expected a buffer of C int (format 'i', 4 bytes), not {view.format!r} "
            f"({view.itemsize} bytes); use array('i', ...), ndarray.astype(numpy.intc), or "
            "ndarray.tolist() for an array of objects"
        )
    if not view.c_contiguous:
        raise ValueError("targets: expected a C-contiguous buffer; make a copy first")
    return view


def ints_of(buffer: Any) -> array[int]:
    """Copy a buffer of C ints; raises as `int_view` does."""
    return array("i", int_view(buffer).tobytes())


def byte_view(buffer: Any, n: int) -> memoryview:
    """Return a writable view of `buffer` as at least `n` uint8.

    Raises:
        TypeError: `buffer` exports no buffer.
        ValueError: it is read-only, too short, or of another shape or format.
    """
    view = _view(buffer, "out")
    if view.readonly:
        raise ValueError("out: expected a writable buffer, not a read-only one")
    if view.ndim != 1 or view.format.lstrip(NATIVE) != "B" or not view.c_contiguous:
        raise ValueError(
            "out: expected a one-dimensional C-contiguous buffer of uint8 (format 'B'), not "
            f"{view.ndim} dimension(s) of {view.format!r}"
        )
    if len(view) < n:
        raise ValueError(f"out: {len(view)} bytes are too short for {n} targets")
    return view


def _view(buffer: Any, name: str) -> memoryview:
    try:
        return memoryview(buffer)
    except TypeError:
        raise TypeError(f"{name}: expected a buffer, not {type(buffer).__name__}") from None
    except BufferError as error:
        raise ValueError(f"{name}: {error}") from None


def has_decrypted(target: object) -> bool:
    """Whether `target` is an ssl.SSLSocket that holds decrypted bytes.

    They have left the kernel, so no system call shows them.
    """
    ssl_socket = _ssl_socket()
    try:
        return ssl_socket is not None and isinstance(target, ssl_socket) and target.pending() > 0
    except (OSError, ValueError):  # unwrapped or closed meanwhile
        return False


def mark_decrypted(targets: Sequence[object], codes: Any) -> None:
    """Turn ALIVE into READABLE in the uint8 buffer `codes` where TLS holds decrypted bytes."""
    if _ssl_socket() is None:
        return
    before = memoryview(codes).tobytes()
    for i, target in enumerate(targets):
        if before[i] == Status.ALIVE and has_decrypted(target):
            struct.pack_into("B", codes, i, Status.READABLE)  # any format of a byte


def _ssl_socket() -> Any:
    """ssl.SSLSocket; None while nobody has imported it, and so nobody has one."""
    return getattr(sys.modules.get("ssl"), "SSLSocket", None)
