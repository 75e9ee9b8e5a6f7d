"""The one place that chooses between the C and the pure backend.

``FASTLIVE_IMPL=c`` or ``pure`` forces one, or raises. Without it the C extension
is used where it was built; where it is missing the pure backend takes its place,
and one that is there but broken raises.
"""

from __future__ import annotations

import os
from array import array
from typing import Any, Protocol, cast

from fastlive._targets import Target, Targets
from fastlive._types import Observation, Status, Verdict


class Backend(Protocol):
    """What a backend supplies; `_core` and `_pure` are modules that do."""

    def is_alive(self, target: Target, /, *, half_open: bool = False) -> bool: ...
    def is_reusable(self, target: Target, /) -> bool: ...
    def status(self, target: Target, /) -> Status: ...

    def check(self, targets: Targets, out: Any) -> Any:
        """Judge all targets into `out`, or into new Statuses where it is None."""

    def peek(self, targets: Targets) -> array[int]:
        """Peek at one byte of each: 1, 0 at EOF, -errno."""

    def take_error(self, target: Target) -> int:
        """Return SO_ERROR and clear it; raise OSError for what is no socket."""

    def observe(self, target: Target, /) -> Observation:
        """Take the close look at one target."""

    def judge(self, seen: Observation, /) -> Verdict:
        """Turn what was seen into what is true. Pure."""


def _choose() -> tuple[str, Backend]:
    wanted = os.environ.get("FASTLIVE_IMPL", "")
    if wanted not in ("", "c", "pure"):
        raise ImportError(f"FASTLIVE_IMPL must be 'c' or 'pure', not {wanted!r}")
    if wanted != "pure":
        try:
            import fastlive._core as core  # not `from`, which hides what is missing

            return "c", cast(Backend, core)
        except ModuleNotFoundError as error:
            if error.name != "fastlive._core":
                raise
            if wanted == "c":
                raise ImportError(
                    "FASTLIVE_IMPL=c, but fastlive was installed without its C extension"
                ) from error
    from fastlive import _pure

    return "pure", cast(Backend, _pure)


#: Which backend is in use: "c" or "pure".
IMPL, backend = _choose()
