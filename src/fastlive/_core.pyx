# cython: language_level=3, binding=False, embedsignature=True, embedsignature.format=clinic
# cython: auto_pickle=False, autotestdict=False
"""The C backend: buffers in, one C call, answers out.

Marshalling only. What a target is stands in `_targets`, what a status means in
csrc/fl_judge.c; this file knows short cuts for what is common (ints, sockets,
lists) and hands the rest to `_targets`.
"""

from cpython.array cimport array, clone
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_CheckBuffer, PyObject_GetBuffer
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_FromStringAndSize
from cpython.long cimport PyLong_AsLongLongAndOverflow
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE
from libc.limits cimport INT_MAX
from libc.stdint cimport int64_t, uint8_t, uintptr_t
from libc.string cimport memcpy


import os
from _socket import socket as c_socket
from array import array as array_type
from socket import socket

from fastlive import _targets
from fastlive._types import Observation, Status, Statuses, Verdict

# Up to this many fds the GIL is kept during the call, above it is released.
#
# Measured with one busy Python thread on 2 cores: the same C loop called with and
# without the GIL, time of a call for n idle fds, median and 90th percentile, us
# (`make bench`, the table "GIL"; a noisy machine, 0.1 to 0.5 us a fd):
#     n              100    500  1,000  4,000   8,000  16,000
#     kept, median    10     40    102    772   4,638  11,631
#     kept, p90       10     42    147  5,785   9,721  13,984
#     released        10     61  5,707  7,382   9,647  11,579
#     released, p90   10  5,562  5,866  7,526   9,976  13,838
# Getting the GIL back takes a switch interval (5 ms). So releasing it makes the call
# slower for everyone who asks, until the call itself takes about as long; from there
# on it costs nothing, and other threads need not wait. (A closer look takes some 2 us:
# if 8,192 connections have died since the last call, they wait 20 ms, once.)
cdef enum:
    GIL_KEPT_MAX = 8192

cdef tuple STATUS = tuple(Status)
cdef uint8_t ALIVE[256]
for _code in range(256):
    ALIVE[_code] = _code < len(STATUS) and STATUS[_code].alive
# The C method, which runs no Python code; looked up once, not for every fd. Where
# somebody (gevent, eventlet) has put another class in the place of socket.socket, that
# one is no plain socket and goes the long way.
cdef object plain_fileno = c_socket.fileno
cdef object plain_socket = (
    socket if getattr(socket, "fileno", None) is plain_fileno else c_socket
)
cdef array no_ints = array_type("i")


cdef object raise_errno(int rc):
    raise OSError(-rc, os.strerror(-rc))


cdef inline int to_fd(object number) except? -1:
    """An exact int as a file descriptor; -1 where it can be none."""
    cdef int overflow = 0
    cdef long long value = PyLong_AsLongLongAndOverflow(number, &overflow)
    return <int>value if overflow == 0 and 0 <= value <= INT_MAX else -1


cdef inline bint is_plain(object target):
    """Whether it is an int or a plain socket: no SSLSocket, and asked without Python code."""
    return type(target) is int or type(target) is plain_socket


cdef inline int plain_fd_of(object target) except? -1:
    """The short cut: `_targets.fd_of` for what `is_plain`."""
    return to_fd(target if type(target) is int else plain_fileno(target))


cdef inline int fd_of(object target) except? -1:
    if is_plain(target):
        return plain_fd_of(target)
    return to_fd(_targets.fd_of(target))


cdef class _Fds:
    """The file descriptors of some targets: borrowed from a buffer, or gathered.

    Either way they cannot go away while this object lives.
    """

    cdef const int *fds
    cdef Py_ssize_t n
    cdef tuple targets  # what they were gathered from
    cdef bint tls  # one of the targets may be an SSLSocket
    cdef int *owned
    cdef Py_buffer view

    def __cinit__(self, object targets):
        if PyObject_CheckBuffer(targets):
            PyObject_GetBuffer(_targets.int_view(targets), &self.view, PyBUF_SIMPLE)
            self.fds = <const int *>self.view.buf
            self.n = self.view.len // sizeof(int)
            if <uintptr_t>self.fds % sizeof(int):  # C may not read it there
                self.copy()
        elif type(targets) is not list or not self.gather_plain(targets):
            self.gather(targets if type(targets) is tuple else _targets.snapshot(targets))

    def __dealloc__(self):
        PyBuffer_Release(&self.view)  # nothing, if it was never filled
        PyMem_Free(self.owned)

    cdef int own(self, Py_ssize_t n) except -1:
        PyMem_Free(self.owned)
        self.owned = <int *>PyMem_Malloc(n * sizeof(int))
        if self.owned is NULL:
            raise MemoryError
        return 0

    cdef int gather_plain(self, list targets) except -1:
        """The common case: whether the list holds ints and plain sockets alone.

        Asking those runs no Python code, so nobody can change the list meanwhile
        and it need not be copied.
        """
        cdef Py_ssize_t i = 0
        cdef object target
        self.n = len(targets)
        self.own(self.n)
        self.fds = self.owned
        for target in targets:
            if i == self.n or not is_plain(target):
                return False
            self.owned[i] = plain_fd_of(target)
            i += 1
        return i == self.n

    cdef int gather(self, tuple targets) except -1:
        cdef Py_ssize_t i
        cdef object target
        self.targets = targets
        self.n = PyTuple_GET_SIZE(targets)
        self.own(self.n)
        self.fds = self.owned
        for i in range(self.n):
            target = <object>PyTuple_GET_ITEM(targets, i)
            if is_plain(target):
                self.owned[i] = plain_fd_of(target)
            else:
                self.tls = True
                self.owned[i] = to_fd(_targets.fd_of(target, f"targets[{i}]"))
        return 0

    cdef int keep_apart(self, const void *start, Py_ssize_t size) except -1:
        """Copy the fds if writing to that memory would change them."""
        cdef uintptr_t mine = <uintptr_t>self.fds
        cdef uintptr_t theirs = <uintptr_t>start
        if mine < theirs + size and theirs < mine + self.n * sizeof(int):
            self.copy()
        return 0

    cdef int copy(self) except -1:
        self.own(self.n)
        memcpy(self.owned, self.fds, self.n * sizeof(int))
        self.fds = self.owned
        return 0


cdef class _Codes:
    """Where a check writes its codes: the caller's buffer, or a new bytearray."""

    cdef object made  # the bytearray, None where the caller brought a buffer
    cdef object seen  # the codes as Python sees them: `made`, or a view of the caller's
    cdef uint8_t *codes
    cdef Py_buffer view

    def __cinit__(self, object out, Py_ssize_t n):
        if out is None:
            self.made = PyByteArray_FromStringAndSize(NULL, n)
            self.seen = self.made
            self.codes = <uint8_t *>PyByteArray_AS_STRING(self.made)
        else:
            self.seen = _targets.byte_view(out, n)
            PyObject_GetBuffer(self.seen, &self.view, PyBUF_WRITABLE)
            self.codes = <uint8_t *>self.view.buf

    def __dealloc__(self):
        PyBuffer_Release(&self.view)  # nothing, if it was never filled


cdef uint8_t code_of(object target) except? 255:
    cdef int fd = fd_of(target)
    cdef uint8_t code
    cdef int rc = fl_check(&fd, 1, &code)
    if rc < 0:
        raise_errno(rc)
    if code == FL_ALIVE and not is_plain(target) and _targets.has_decrypted(target):
        return FL_READABLE
    return code


def is_alive(target, /, *, half_open=False):
    """Return whether the connection is open, as far as this machine can see.

    One poll; a closer look only where it shows anything else than
    "writable" and "readable". Sends nothing, consumes nothing, waits for
    nothing, and leaves the pending error to the application. An idle connection
    whose peer has silently vanished looks alive: nothing but traffic, keepalive
    or a heartbeat can tell.

    Args:
        target: an int fd, or an object with ``fileno()``; a connected stream socket.
        half_open: True counts a peer that has sent its FIN as alive: one that
            only shut down its sending side still waits for our answer.

    Returns:
        True if `status` is ALIVE, READABLE, STALLED or SUSPECT.

    Raises:
        TypeError: `target` is neither an int nor has a ``fileno()`` giving one.

    Source:
        poll(2), tcp(7); RFC 9293 section 3.6 for half-closed connections.
    """
    cdef uint8_t code = code_of(target)
    if ALIVE[code]:
        return True
    return code == FL_PEER_CLOSED and bool(half_open)


def is_reusable(target, /):
    """Return whether a pool may hand this connection out again.

    That is: it is open, and nothing is unread. Unread bytes on an idle
    connection are a late answer, an error message or the end of TLS; whoever
    gets the connection next would read them as the answer to its own request.
    They may also be the session tickets that a TLS 1.3 server sends unasked: a
    fresh TLS 1.3 client is not reusable before its first read.

    Args:
        target: an int fd, or an object with ``fileno()``; a connected stream socket.

    Returns:
        True if the connection is alive and has no unread bytes, neither in the
        kernel nor decrypted in an ``ssl.SSLSocket``.

    Raises:
        TypeError: `target` is neither an int nor has a ``fileno()`` giving one.

    Source:
        poll(2), tcp(7).
    """
    cdef uint8_t code = code_of(target)
    cdef fl_observation_t seen
    if code != FL_STALLED and code != FL_SUSPECT:
        return code == FL_ALIVE
    observe_fd(fd_of(target), &seen)
    return (
        ALIVE[fl_judge(&seen).status]
        and fl_unread(&seen) == 0
        and not seen.events & FL_EV_PRI
        and not _targets.has_decrypted(target)
    )


def status(target, /):
    """Return what is true of one connection.

    Made for connected stream sockets. One in which poll sees nothing wrong is
    not looked at further, so what poll cannot see (our own SHUT_WR, unread bytes
    below SO_RCVLOWAT, a writable fd that is no stream) is ALIVE or READABLE;
    SUSPECT and STALLED show only where poll shows something too. Everything else
    is told in full. RESET, TIMED_OUT and UNREACHABLE are inferred from what
    survives the connection, because reading the exact errno would take it away
    from the application.

    Args:
        target: an int fd, or an object with ``fileno()``.

    Returns:
        The `Status`. Bad file descriptors are a status too (BAD_FD, NOT_SOCKET).

    Raises:
        TypeError: `target` is neither an int nor has a ``fileno()`` giving one.

    Source:
        poll(2), tcp(7), ioctl FIONREAD (tcp(7)); the rules in csrc/fl_judge.c.
    """
    return STATUS[code_of(target)]


def check(targets, out):
    """Judge all targets into `out`, or into new Statuses where it is None."""
    cdef _Fds fds = _Fds(targets)
    cdef _Codes codes = _Codes(out, fds.n)
    cdef int rc
    fds.keep_apart(codes.codes, fds.n)
    if fds.n <= GIL_KEPT_MAX:
        rc = fl_check(fds.fds, fds.n, codes.codes)
    else:
        with nogil:
            rc = fl_check(fds.fds, fds.n, codes.codes)
    if rc < 0:
        raise_errno(rc)
    if fds.tls:
        _targets.mark_decrypted(fds.targets, codes.seen)
    return Statuses(codes.made) if out is None else out


def peek(targets):
    """Peek at one byte of each: 1, 0 at EOF, -errno."""
    cdef _Fds fds = _Fds(targets)
    cdef array results = clone(no_ints, fds.n, zero=False)
    if fds.n <= GIL_KEPT_MAX:
        fl_peek(fds.fds, fds.n, results.data.as_ints)
    else:
        with nogil:
            fl_peek(fds.fds, fds.n, results.data.as_ints)
    return results


def take_error(target):
    """Return SO_ERROR and clear it; raise OSError for what is no socket."""
    cdef int error = 0
    cdef int rc = fl_take_error(fd_of(target), &error)
    if rc < 0:
        raise_errno(rc)
    return error


cdef int observe_fd(int fd, fl_observation_t *seen) except -1:
    cdef int rc = fl_observe(&fd, 1, seen)
    if rc < 0:
        raise_errno(rc)
    return 0


def observe(target, /):
    """Take the close look at one target."""
    cdef fl_observation_t seen
    observe_fd(fd_of(target), &seen)
    return Observation(**seen)


def judge(seen, /):
    """Turn what was seen into what is true. Pure."""
    cdef fl_observation_t observation = seen._asdict()
    cdef fl_verdict_t verdict = fl_judge(&observation)
    return Verdict(STATUS[verdict.status], verdict.certain)


def unread(seen, /):
    """Bytes that a read would find now, -1 where that is not known. Pure."""
    cdef fl_observation_t observation = seen._asdict()
    return fl_unread(&observation)
