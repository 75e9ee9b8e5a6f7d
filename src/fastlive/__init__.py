"""Is this connection still alive, and if not, why? For one socket or ten thousand.

Without sending a byte, without consuming one, and without taking the pending
error away from the application.

    is_alive(sock)       is it open?
    is_reusable(sock)    is it open, and nothing unread?
    status(sock)         what is true of it: a Status
    check(socks)         the status of each, in one call: Statuses
    dead(socks)          those that are not alive

    peek(socks)          raw recv(MSG_PEEK); takes the pending error
    take_error(sock)     the exact error; takes it

>>> import fastlive, socket
>>> ours, peer = socket.socketpair()
>>> fastlive.is_alive(ours)
True
>>> peer.close()
>>> print(fastlive.status(ours))
PEER_CLOSED
>>> ours.close()
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
