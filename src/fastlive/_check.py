"""Is it alive? The functions that pools, servers and services call.

A per-fd problem is data, never an exception: one bad fd in ten thousand must not
cost the others their answer. Misuse raises before any system call.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Sequence
from typing import Any, TypeVar, overload

from fastlive._backend import backend
from fastlive._targets import Ints, Target, Targets, ints_of, is_buffer, snapshot
from fastlive._types import Statuses

_Out = TypeVar("_Out", bound=Ints)
_T = TypeVar("_T", bound=Target)

#: The scalar functions are the backend's own: a Python call around them would
#: cost a fifth of what they do.
is_alive = backend.is_alive
is_reusable = backend.is_reusable
status = backend.status


@overload
def check(targets: Targets, /) -> Statuses: ...
@overload
def check(targets: Targets, /, *, out: None) -> Statuses: ...
@overload
def check(targets: Targets, /, *, out: _Out) -> _Out: ...
def check(targets: Targets, /, *, out: Ints | None = None) -> object:
    """Return what is true of many connections: for each what `status` returns.

    One poll for every 512 of them; FIONREAD for those that it shows to be readable,
    and a closer look only at those in which it shows anything else than "writable"
    and "readable". For up to 8,192 targets the GIL is kept, because getting it back
    would take longer than the call.

    Args:
        targets: n targets, each an int fd or an object with ``fileno()``; or a
            one-dimensional C-contiguous buffer of n C ints (``array('i')``,
            NumPy int32), read without copying.
        out: a writable uint8 buffer of at least n bytes, filled in place.

    Returns:
        `Statuses` of length n, uint8 codes in the order of `targets`; or `out`.

    Raises:
        TypeError: `targets` is no sequence or buffer, one of them is no target,
            or `out` is no buffer.
        ValueError: a buffer has the wrong format, shape or size, or is read-only.
        OSError: the kernel refused the whole batch (ENOMEM; EINVAL where
            RLIMIT_NOFILE is 0).

    Source:
        poll(2), tcp(7); the rules in csrc/fl_judge.c.
    """
    return backend.check(targets, out)


@overload
def dead(targets: Sequence[_T], /) -> list[_T]: ...
@overload
def dead(targets: Ints, /) -> list[int]: ...
def dead(targets: Targets, /) -> list[Any]:
    """Return the targets that are not alive, in order.

    Args:
        targets: as for `check`. Of a buffer, the file descriptors are returned.

    Returns:
        The targets themselves whose status is not ALIVE, READABLE, STALLED or
        SUSPECT; a half-closed connection counts as dead, and so does one in which
        the last bytes before the FIN are still unread.

    Raises:
        TypeError, ValueError, OSError: as `check`.

    Source:
        poll(2), tcp(7); the rules in csrc/fl_judge.c.
    """
    taken = ints_of(targets) if is_buffer(targets) else snapshot(targets)
    statuses = check(taken)
    return [taken[i] for i in statuses.dead]


def peek(targets: Targets, /) -> array[int]:
    """Peek at one byte of each: recv(MSG_PEEK | MSG_DONTWAIT), raw.

    **Takes the pending error away from the application** on Linux: its next
    ``recv`` then returns b"", a clean EOF, where it should have raised
    ConnectionResetError. It also moves SO_PEEK_OFF. To ask whether a connection
    is alive, use `check`.

    Args:
        targets: n targets, as for `check`.

    Returns:
        An ``array('i')`` of length n: 1 where there is a byte, 0 at EOF, else
        -errno; -EAGAIN (-11 on Linux) means open with nothing to read.

    Raises:
        TypeError, ValueError: as `check`.

    Source:
        recv(2).
    """
    return backend.peek(targets)


def take_error(target: Target, /) -> OSError | None:
    """Take the pending error of a socket: its exact errno.

    **Consumes it**: the application's next ``recv`` returns b"", a clean EOF.
    Takes soft ICMP errors of living connections too, so an error does not prove
    that the connection is dead.

    Args:
        target: an int fd, or an object with ``fileno()``.

    Returns:
        The error as the matching subclass of OSError (ConnectionResetError ...),
        not raised; None where none was pending.

    Raises:
        OSError: `target` is no open socket (EBADF, ENOTSOCK).
        TypeError: `target` is neither an int nor has a ``fileno()`` giving one.

    Source:
        SO_ERROR in socket(7).
    """
    error = backend.take_error(target)
    return OSError(error, os.strerror(error)) if error else None
