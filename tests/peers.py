"""Real sockets with real peers, in every state that loopback can produce.

A *scenario* is a function that builds one situation and returns the socket to look
at; it registers what has to be undone on the ExitStack that it is given. Each row
of the table "what is seen in each situation" that needs no root is one. Nothing
here imports fastlive: what the tests hold it against must not depend on it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import wraps
from typing import Any

import pytest

IPPROTO_MPTCP = 262
TCP_INFO = 11
TCP_USER_TIMEOUT = 18
SO_TIMESTAMPING = 37
SO_ZEROCOPY = 60
MSG_ZEROCOPY = 0x4000000
RDHUP = select.POLLRDHUP
PATIENCE = 20.0  # seconds, for what must happen but takes the kernel a while


# --- making connections -------------------------------------------------------


def connect(
    stack: ExitStack,
    family: int = socket.AF_INET,
    proto: int = 0,
    receive_buffer: int | None = None,
    before_connect: Callable[[socket.socket], None] | None = None,
) -> tuple[socket.socket, socket.socket]:
    """A connected pair over loopback: (ours, the peer's)."""
    host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
    with socket.socket(family, socket.SOCK_STREAM, proto) as listener:
        if receive_buffer:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        listener.bind((host, 0))
        listener.listen(1)
        ours = stack.enter_context(socket.socket(family, socket.SOCK_STREAM, proto))
        if before_connect:
            before_connect(ours)
        ours.connect(listener.getsockname())
        peer, _ = listener.accept()
    stack.enter_context(peer)
    return ours, peer


def reset(sock: socket.socket) -> None:
    """Close with a RST instead of a FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def fill(sock: socket.socket) -> None:
    """Send until the buffers are full; leaves the socket non-blocking."""
    sock.setblocking(False)
    try:
        while True:
            sock.send(bytes(65536))
    except BlockingIOError:
        pass


def close_window(sock: socket.socket) -> None:
    """Send until the peer's window is closed and nothing more fits into our buffer."""

    def closed() -> bool:
        fill(sock)
        return window_of(sock) == 0 and not select.select([], [sock], [], 0)[1]

    wait_until(closed, "the window to close")


def full_listener(stack: ExitStack) -> tuple[str, int]:
    """The address of a listener that answers no SYN: its queue is full."""
    listener = stack.enter_context(socket.socket())
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    for _ in range(2):
        filler = stack.enter_context(socket.socket())
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
    wait_until(lambda: tcp_info(listener)[24] >= 1, "the accept queue to fill")
    address: tuple[str, int] = listener.getsockname()
    return address


# --- waiting for what can be seen ---------------------------------------------


def wait_for(sock: socket.socket | int, events: int) -> None:
    """Wait until poll shows one of `events`."""
    poll = select.poll()
    poll.register(sock, events)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for _, shown in poll.poll(1000):
            if shown & events:
                return
    raise TimeoutError(f"poll did not show {events:#x} within {PATIENCE} s")


def wait_until(seen: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Look every 2 ms until `seen()` is true."""
    deadline = time.monotonic() + patience
    while not seen():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {patience} s for {what}")
        select.select([], [], [], 0.002)


def tcp_info(sock: socket.socket) -> bytes:
    """The raw bytes of TCP_INFO, padded to 280."""
    return sock.getsockopt(socket.IPPROTO_TCP, TCP_INFO, 280).ljust(280, b"\0")


def tcp_state(sock: socket.socket) -> int:
    """The TCP state, by Linux's numbers."""
    return tcp_info(sock)[0]


def window_of(sock: socket.socket) -> int:
    """The peer's receive window as we know it."""
    (window,) = struct.unpack_from("I", tcp_info(sock), 228)
    return int(window)


# --- scenarios ----------------------------------------------------------------


@dataclass(frozen=True)
class Scenario:
    """A situation; what the fast functions say of it, and what a close look says."""

    name: str
    status: str
    close: str
    build: Callable[[ExitStack], socket.socket | int]
    #: True where an application can go on with it as with a stream (recv, send).
    stream: bool

    def __str__(self) -> str:
        return self.name


SCENARIOS: list[Scenario] = []


#: What a machine without IPv6, without MPTCP or with an old kernel says.
LACKING = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.ENOPROTOOPT)

Builder = Callable[[ExitStack], socket.socket | int]


def scenario(status: str, close: str = "", *, stream: bool = True) -> Callable[[Any], Any]:
    """Register a scenario under its function's name."""

    def register(build: Builder) -> Builder:
        @wraps(build)
        def build_or_skip(stack: ExitStack) -> socket.socket | int:
            try:
                return build(stack)
            except OSError as error:
                if error.errno in LACKING:
                    pytest.skip(f"this machine lacks what {build.__name__} needs: {error}")
                raise

        name = build.__name__
        SCENARIOS.append(Scenario(name, status, close or status, build_or_skip, stream))
        return build

    return register


# Open.


@scenario("ALIVE")
def idle(stack: ExitStack) -> socket.socket:
    return connect(stack)[0]


@scenario("ALIVE")
def idle_ipv6(stack: ExitStack) -> socket.socket:
    return connect(stack, socket.AF_INET6)[0]


@scenario("ALIVE")
def idle_accepted(stack: ExitStack) -> socket.socket:
    return connect(stack)[1]


@scenario("ALIVE")
def transmit_timestamp_pending(stack: ExitStack) -> socket.socket:
    ours, _ = connect(stack)
    # TX_SOFTWARE | SOFTWARE | OPT_ID | OPT_TSONLY
    ours.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, 1 << 1 | 1 << 4 | 1 << 7 | 1 << 11)
    ours.send(b"x")
    wait_for(ours, select.POLLERR)
    return ours


@scenario("ALIVE")
def zerocopy_notification_pending(stack: ExitStack) -> socket.socket:
    ours, _ = connect(stack)
    ours.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
    ours.send(bytes(10_000), MSG_ZEROCOPY)
    wait_for(ours, select.POLLERR)
    return ours


@scenario("ALIVE")
def timestamp_pending_with_recverr(stack: ExitStack) -> socket.socket:
    """IP_RECVERR is set, but the error queue serves the timestamps as well."""
    ours = transmit_timestamp_pending(stack)
    ours.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR
    return ours


@scenario("ALIVE")
def zerocopy_pending_with_recverr(stack: ExitStack) -> socket.socket:
    ours = zerocopy_notification_pending(stack)
    ours.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR
    return ours


@scenario("READABLE")
def unread(stack: ExitStack) -> socket.socket:
    ours, peer = connect(stack)
    peer.send(b"unread")
    wait_for(ours, select.POLLIN)
    return ours


@scenario("ALIVE", "READABLE")
def unread_below_rcvlowat(stack: ExitStack) -> socket.socket:
    """Only FIONREAD sees it, so the fast functions do not."""
    ours, peer = connect(stack)
    peer.send(b"few")
    wait_for(ours, select.POLLIN)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 100)
    return ours


@scenario("READABLE")
def out_of_band_byte(stack: ExitStack) -> socket.socket:
    ours, peer = connect(stack)
    peer.send(b"!", socket.MSG_OOB)
    wait_for(ours, select.POLLPRI)
    return ours


@scenario("READABLE")
def data_behind_out_of_band_byte(stack: ExitStack) -> socket.socket:
    ours, peer = connect(stack)
    peer.send(b"!", socket.MSG_OOB)
    peer.send(b"data")
    wait_for(ours, select.POLLIN)
    return ours


@scenario("ALIVE")
def send_buffer_full(stack: ExitStack) -> socket.socket:
    """No POLLOUT, and the window is still open: the peer has only just stopped."""
    ours, peer = connect(stack)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    fill(ours)
    del peer
    return ours


@scenario("STALLED")
def window_closed(stack: ExitStack) -> socket.socket:
    ours, _ = connect(stack, receive_buffer=4096)
    close_window(ours)
    wait_until(lambda: tcp_info(ours)[4] > 0, "a window probe")
    return ours


# Closing.


@scenario("PEER_CLOSED")
def peer_closed(stack: ExitStack) -> socket.socket:
    ours, peer = connect(stack)
    peer.close()
    wait_for(ours, RDHUP)
    return ours


@scenario("PEER_CLOSED")
def peer_closed_ipv6(stack: ExitStack) -> socket.socket:
    ours, peer = connect(stack, socket.AF_INET6)
    peer.close()
    wait_for(ours, RDHUP)
    return ours


@scenario("PEER_CLOSED")
def peer_half_closed(stack: ExitStack) -> socket.socket:
    ours, peer = connect(stack)
    peer.shutdown(socket.SHUT_WR)
    wait_for(ours, RDHUP)
    return ours


@scenario("PEER_CLOSED")
def peer_killed(stack: ExitStack) -> socket.socket:
    """SIGKILL to the process that holds the other end: the kernel sends its FIN."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        code = (
            "import socket, sys; s = socket.create_connection(('127.0.0.1', int(sys.argv[1])));"
            "sys.stdin.read()"
        )
        peer = subprocess.Popen(
            [sys.executable, "-c", code, str(listener.getsockname()[1])], stdin=subprocess.PIPE
        )
        try:
            ours = stack.enter_context(listener.accept()[0])
        finally:
            peer.send_signal(signal.SIGKILL)
            peer.wait()
            assert peer.stdin is not None
            peer.stdin.close()
    wait_for(ours, RDHUP)
    return ours


@scenario("PEER_CLOSED")
def peer_closed_behind_unread(stack: ExitStack) -> socket.socket:
    ours, peer = connect(stack)
    peer.send(b"unread")
    peer.close()
    wait_for(ours, RDHUP)
    return ours


@scenario("LOCAL_SHUT")
def local_shut_rd(stack: ExitStack) -> socket.socket:
    ours, _ = connect(stack)
    ours.shutdown(socket.SHUT_RD)
    return ours


@scenario("ALIVE", "LOCAL_SHUT")
def local_shut_wr(stack: ExitStack) -> socket.socket:
    """poll cannot see it, so the fast functions do not."""
    ours, _ = connect(stack)
    ours.shutdown(socket.SHUT_WR)
    wait_until(lambda: tcp_state(ours) == 5, "FIN_WAIT2")
    return ours


@scenario("ALIVE", "LOCAL_SHUT")
def local_shut_wr_unsent(stack: ExitStack) -> socket.socket:
    """FIN_WAIT1: the FIN waits behind data. poll calls what is shut writable."""
    ours, _ = connect(stack, receive_buffer=4096)
    close_window(ours)
    ours.shutdown(socket.SHUT_WR)
    assert tcp_state(ours) == 4
    return ours


@scenario("LOCAL_SHUT")
def local_shut_rdwr(stack: ExitStack) -> socket.socket:
    ours, _ = connect(stack)
    ours.shutdown(socket.SHUT_RDWR)
    wait_until(lambda: tcp_state(ours) == 5, "FIN_WAIT2")
    return ours


@scenario("CLOSED")
def both_directions_finished(stack: ExitStack) -> socket.socket:
    ours, peer = connect(stack)
    peer.close()
    wait_for(ours, RDHUP)
    ours.shutdown(socket.SHUT_WR)
    wait_until(lambda: tcp_state(ours) == 7, "CLOSE")
    return ours


@scenario("CLOSED")
def last_ack(stack: ExitStack) -> socket.socket:
    """Our FIN cannot leave, because the peer's window is closed."""
    ours, peer = connect(stack, receive_buffer=4096)
    fill(ours)
    peer.shutdown(socket.SHUT_WR)
    wait_for(ours, RDHUP)
    ours.shutdown(socket.SHUT_WR)
    assert tcp_state(ours) == 9
    return ours


@scenario("CLOSED")
def closing(stack: ExitStack) -> socket.socket:
    ours, peer = connect(stack, receive_buffer=4096)
    fill(ours)
    ours.shutdown(socket.SHUT_WR)
    peer.shutdown(socket.SHUT_WR)
    wait_until(lambda: tcp_state(ours) == 11, "CLOSING")
    return ours


# Killed.


@scenario("RESET")
def peer_reset(stack: ExitStack) -> socket.socket:
    ours, peer = connect(stack)
    reset(peer)
    wait_for(ours, RDHUP)
    return ours


@scenario("RESET")
def peer_reset_ipv6(stack: ExitStack) -> socket.socket:
    ours, peer = connect(stack, socket.AF_INET6)
    reset(peer)
    wait_for(ours, RDHUP)
    return ours


@scenario("RESET")
def peer_reset_behind_unread(stack: ExitStack) -> socket.socket:
    ours, peer = connect(stack)
    peer.send(b"unread")
    wait_for(ours, select.POLLIN)
    reset(peer)
    wait_for(ours, RDHUP)
    return ours


@scenario("RESET")
def peer_closed_without_reading(stack: ExitStack) -> socket.socket:
    """A close() with unread data in the receive buffer sends RST (RFC 2525, 2.17)."""
    ours, peer = connect(stack)
    ours.send(b"never read")
    wait_for(peer, select.POLLIN)
    peer.close()
    wait_for(ours, RDHUP)
    return ours


@scenario("RESET")
def reset_after_fin(stack: ExitStack) -> socket.socket:
    """The pending error is EPIPE here."""
    ours, peer = connect(stack)
    peer.shutdown(socket.SHUT_WR)
    wait_for(ours, RDHUP)
    reset(peer)
    wait_for(ours, select.POLLHUP)
    return ours


@scenario("RESET")
def sent_to_closed_peer(stack: ExitStack) -> socket.socket:
    ours, peer = connect(stack)
    peer.close()
    wait_for(ours, RDHUP)
    ours.send(b"too late")
    wait_for(ours, select.POLLHUP)
    return ours


@scenario("CLOSED")
def error_already_reported(stack: ExitStack) -> socket.socket:
    ours = peer_reset(stack)
    try:
        ours.recv(1)
    except ConnectionResetError:
        return ours
    raise AssertionError("the RST left no error")


@scenario("TIMED_OUT")
def user_timeout_on_closed_window(stack: ExitStack) -> socket.socket:
    """A living peer that does not read is given up as well."""
    ours, _ = connect(stack, receive_buffer=4096)
    close_window(ours)
    ours.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, 300)
    wait_for(ours, select.POLLERR)
    return ours


# Not connected.


@scenario("NOT_CONNECTED")
def never_connected(stack: ExitStack) -> socket.socket:
    return stack.enter_context(socket.socket())


@scenario("NOT_CONNECTED")
def disconnected(stack: ExitStack) -> socket.socket:
    """connect(AF_UNSPEC) ends a connection and keeps the socket: connect(2)."""
    ours, _ = connect(stack)
    _disconnect(ours)
    return ours


@scenario("NOT_CONNECTED")
def disconnected_while_connecting(stack: ExitStack) -> socket.socket:
    ours = connecting(stack)
    _disconnect(ours)
    return ours


def _disconnect(sock: socket.socket) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    unspecified = struct.pack("HHIII", socket.AF_UNSPEC, 0, 0, 0, 0)
    if libc.connect(sock.fileno(), unspecified, len(unspecified)) != 0:
        raise OSError(ctypes.get_errno(), "connect(AF_UNSPEC)")


@scenario("CONNECTING")
def connecting(stack: ExitStack) -> socket.socket:
    ours = stack.enter_context(socket.socket())
    address = full_listener(stack)
    ours.setblocking(False)
    assert ours.connect_ex(address) == errno.EINPROGRESS
    return ours


@scenario("REFUSED")
def refused(stack: ExitStack) -> socket.socket:
    bound = stack.enter_context(socket.socket())
    bound.bind(("127.0.0.1", 0))  # bound and not listening: answers with RST
    ours = stack.enter_context(socket.socket())
    ours.setblocking(False)
    ours.connect_ex(bound.getsockname())
    wait_for(ours, select.POLLERR)
    return ours


@scenario("NOT_CONNECTED")
def refused_and_reported(stack: ExitStack) -> socket.socket:
    ours = refused(stack)
    assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
    return ours


@scenario("TIMED_OUT")
def connect_timed_out(stack: ExitStack) -> socket.socket:
    ours = stack.enter_context(socket.socket())
    address = full_listener(stack)
    ours.setblocking(False)
    ours.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, 1200)
    ours.connect_ex(address)
    wait_for(ours, select.POLLERR)
    return ours


@scenario("LISTENING", stream=False)
def listening(stack: ExitStack) -> socket.socket:
    return stack.enter_context(socket.create_server(("127.0.0.1", 0)))


@scenario("LISTENING", stream=False)
def listening_one_waits(stack: ExitStack) -> socket.socket:
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    stack.enter_context(socket.create_connection(listener.getsockname()))
    wait_for(listener, select.POLLIN)
    return listener


# MPTCP.


@scenario("ALIVE")
def mptcp_idle(stack: ExitStack) -> socket.socket:
    return connect(stack, proto=IPPROTO_MPTCP)[0]


@scenario("READABLE")
def mptcp_unread(stack: ExitStack) -> socket.socket:
    ours, peer = connect(stack, proto=IPPROTO_MPTCP)
    peer.send(b"unread")
    wait_for(ours, select.POLLIN)
    return ours


@scenario("PEER_CLOSED")
def mptcp_peer_closed(stack: ExitStack) -> socket.socket:
    ours, peer = connect(stack, proto=IPPROTO_MPTCP)
    peer.close()
    wait_for(ours, RDHUP)
    return ours


@scenario("PEER_CLOSED")
def mptcp_peer_closed_behind_unread(stack: ExitStack) -> socket.socket:
    ours, peer = connect(stack, proto=IPPROTO_MPTCP)
    peer.send(b"unread")
    peer.close()
    wait_for(ours, RDHUP)
    return ours


@scenario("RESET")
def mptcp_peer_reset(stack: ExitStack) -> socket.socket:
    ours, peer = connect(stack, proto=IPPROTO_MPTCP)
    reset(peer)
    wait_for(ours, select.POLLHUP)
    return ours


@scenario("RESET")
def mptcp_peer_reset_behind_unread(stack: ExitStack) -> socket.socket:
    ours, peer = connect(stack, proto=IPPROTO_MPTCP)
    peer.send(b"unread")
    wait_for(ours, select.POLLIN)
    reset(peer)
    wait_for(ours, select.POLLHUP)
    return ours


@scenario("CLOSED")
def mptcp_error_already_reported(stack: ExitStack) -> socket.socket:
    ours = mptcp_peer_reset(stack)
    assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET
    return ours


@scenario("CLOSED")
def mptcp_both_directions_finished(stack: ExitStack) -> socket.socket:
    ours, peer = connect(stack, proto=IPPROTO_MPTCP)
    peer.close()
    wait_for(ours, RDHUP)
    ours.shutdown(socket.SHUT_WR)
    wait_until(lambda: tcp_state(ours) == 7, "CLOSE")
    return ours


@scenario("LOCAL_SHUT")
def mptcp_local_shut_rdwr(stack: ExitStack) -> socket.socket:
    ours, _ = connect(stack, proto=IPPROTO_MPTCP)
    ours.shutdown(socket.SHUT_RDWR)
    return ours


@scenario("NOT_CONNECTED")
def mptcp_never_connected(stack: ExitStack) -> socket.socket:
    return stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP))


@scenario("LISTENING", stream=False)
def mptcp_listening(stack: ExitStack) -> socket.socket:
    listener = mptcp_never_connected(stack)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


# AF_UNIX.


def _unix(stack: ExitStack) -> tuple[socket.socket, socket.socket]:
    ours, peer = socket.socketpair()
    return stack.enter_context(ours), stack.enter_context(peer)


@scenario("ALIVE")
def unix_idle(stack: ExitStack) -> socket.socket:
    return _unix(stack)[0]


@scenario("READABLE")
def unix_unread(stack: ExitStack) -> socket.socket:
    ours, peer = _unix(stack)
    peer.send(b"unread")
    return ours


@scenario("ALIVE")
def unix_blocked(stack: ExitStack) -> socket.socket:
    ours, _ = _unix(stack)
    fill(ours)
    return ours


@scenario("PEER_CLOSED")
def unix_peer_closed(stack: ExitStack) -> socket.socket:
    ours, peer = _unix(stack)
    peer.close()
    return ours


@scenario("PEER_CLOSED")
def unix_peer_closed_behind_unread(stack: ExitStack) -> socket.socket:
    ours, peer = _unix(stack)
    peer.send(b"unread")
    peer.close()
    return ours


@scenario("PEER_CLOSED")
def unix_peer_half_closed(stack: ExitStack) -> socket.socket:
    ours, peer = _unix(stack)
    peer.shutdown(socket.SHUT_WR)
    return ours


@scenario("RESET")
def unix_peer_closed_without_reading(stack: ExitStack) -> socket.socket:
    ours, peer = _unix(stack)
    ours.send(b"never read")
    peer.close()
    return ours


@scenario("NOT_CONNECTED")
def unix_never_connected(stack: ExitStack) -> socket.socket:
    return stack.enter_context(socket.socket(socket.AF_UNIX))


@scenario("LISTENING", stream=False)
def unix_listening(stack: ExitStack) -> socket.socket:
    listener = unix_never_connected(stack)
    listener.bind(f"\0fastlive-{os.getpid()}-{id(listener)}")
    listener.listen()
    return listener


# No stream, no socket, no file.


@scenario("NOT_STREAM", stream=False)
def udp_with_error(stack: ExitStack) -> socket.socket:
    with socket.socket(type=socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        address = gone.getsockname()
    ours = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
    ours.connect(address)
    ours.send(b"to nobody")
    wait_for(ours, select.POLLERR)
    return ours


@scenario("NOT_STREAM", stream=False)
def unix_seqpacket_peer_closed(stack: ExitStack) -> socket.socket:
    ours, peer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    stack.enter_context(ours)
    peer.close()
    return ours


@scenario("ALIVE", "NOT_STREAM", stream=False)
def udp_idle(stack: ExitStack) -> socket.socket:
    """Nothing in poll tells it from an idle stream: the contract of the fast functions."""
    return stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))


@scenario("ALIVE", "NOT_STREAM", stream=False)
def netlink_idle(stack: ExitStack) -> socket.socket:
    return stack.enter_context(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0))


def _file(stack: ExitStack, fd: int) -> int:
    stack.callback(os.close, fd)
    return fd


@scenario("NOT_SOCKET", stream=False)
def pipe_reader(stack: ExitStack) -> int:
    reader, writer = os.pipe()
    _file(stack, writer)
    return _file(stack, reader)


@scenario("NOT_SOCKET", stream=False)
def pipe_reader_hung_up(stack: ExitStack) -> int:
    reader, writer = os.pipe()
    os.close(writer)
    return _file(stack, reader)


@scenario("READABLE", "NOT_SOCKET", stream=False)
def regular_file(stack: ExitStack) -> int:
    """Always writable and readable for poll: the contract of the fast functions."""
    return _file(stack, os.open(__file__, os.O_RDONLY))


@scenario("NOT_SOCKET", stream=False)
def regular_file_at_its_end(stack: ExitStack) -> int:
    """Readable for poll, with nothing to read: that is looked at."""
    fd = regular_file(stack)
    os.lseek(fd, 0, os.SEEK_END)
    return fd


@scenario("ALIVE", "NOT_SOCKET", stream=False)
def eventfd(stack: ExitStack) -> int:
    return _file(stack, os.eventfd(0))


@scenario("BAD_FD", stream=False)
def path_only(stack: ExitStack) -> int:
    return _file(stack, os.open("/", os.O_PATH))


@scenario("BAD_FD", stream=False)
def closed_fd(stack: ExitStack) -> int:
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    return max(reader, writer)


@scenario("BAD_FD", stream=False)
def closed_socket(stack: ExitStack) -> socket.socket:
    ours, _ = connect(stack)
    ours.close()
    return ours
