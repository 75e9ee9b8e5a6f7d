"""Is this connection still alive? For one socket, or for ten thousand at once.

Without sending a byte, without consuming one, and without taking the pending
error away from the application.
"""

from fastlive._backend import IMPL
from fastlive._check import check, dead, is_alive, is_reusable, peek, status, take_error
from fastlive._types import Status, Statuses
from fastlive._version import __version__

__all__ = [
    "IMPL",
    "Status",
    "Statuses",
    "__version__",
    "check",
    "dead",
    "is_alive",
    "is_reusable",
    "peek",
    "status",
    "take_error",
]
