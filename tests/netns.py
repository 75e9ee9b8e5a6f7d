"""Two hosts on one machine: network namespaces that a test makes and removes.

Scenarios that loopback cannot produce (black holes, ICMP errors, dead links) are
built here with `ip`, `nft` and `ss`. Needs root; `why_not()` says what is missing.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import select
import shutil
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache

import peers

CLONE_NEWNET = 0x40000000
TCP_SYNCNT = 7
TCP_FASTOPEN_NO_COOKIE = 34
TCP_RTO_MAX_MS = 44
IP_RECVERR = 11

_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count()


@cache
def why_not() -> str:
    """Why namespaces cannot be used here; empty if they can."""
    if os.geteuid() != 0:
        return "needs root for network namespaces"
    missing = [tool for tool in ("ip", "nft", "ss") if shutil.which(tool) is None]
    if missing:
        return f"needs {', '.join(missing)}"
    try:
        with ExitStack() as stack:
            Net(stack).peer.filter("ip protocol tcp drop")
    except (OSError, subprocess.CalledProcessError) as error:
        return f"cannot make network namespaces: {error}"
    return ""


def run(*command: str) -> None:
    """Run a command; its complaint goes into the exception."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")


class Host:
    """One namespace, one address."""

    def __init__(self, stack: ExitStack, name: str, address: str) -> None:
        self.name = name
        self.address = address
        run("ip", "netns", "add", name)
        stack.callback(run, "ip", "netns", "del", name)
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *command: str) -> None:
        """Run a command on this host."""
        run("ip", "netns", "exec", self.name, *command)

    def filter(self, rule: str, hook: str = "input") -> None:
        """Add a packet filter rule, such as "tcp dport 9 drop"."""
        self.run("nft", "add table inet t")
        self.run("nft", f"add chain inet t {hook} {{ type filter hook {hook} priority 0; }}")
        self.run("nft", f"add rule inet t {hook} {rule}")

    def unfilter(self) -> None:
        """Take all rules back."""
        self.run("nft", "flush ruleset")

    def sysctl(self, name: str, value: str) -> None:
        """Set a network setting of this host."""
        with self.inside(), open(f"/proc/sys/net/{name}", "w", encoding="ascii") as setting:
            setting.write(value)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Have the calling thread live on this host."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        try:
            _setns(there)
            yield
        finally:
            _setns(home)
            os.close(home)
            os.close(there)

    def socket(self, stack: ExitStack) -> socket.socket:
        """A TCP socket on this host."""
        with self.inside():
            return stack.enter_context(socket.socket())


def _setns(fd: int) -> None:
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class Net:
    """Our host and the peer's, with a cable between them."""

    def __init__(self, stack: ExitStack) -> None:
        number = next(_numbers)
        name = f"fastlive-{os.getpid()}-{number}"
        self.ours = Host(stack, f"{name}-a", "10.99.0.1")
        self.peer = Host(stack, f"{name}-b", "10.99.0.2")
        link = ("eth0", "netns", self.ours.name, "type", "veth", "peer", "name", "eth0")
        run("ip", "link", "add", *link, "netns", self.peer.name)
        for host in (self.ours, self.peer):
            host.run("ip", "addr", "add", f"{host.address}/24", "dev", "eth0")
            host.run("ip", "link", "set", "eth0", "up")

    def listener(self, stack: ExitStack) -> socket.socket:
        """A listening socket on the peer's host."""
        listener = self.peer.socket(stack)
        listener.bind((self.peer.address, 0))
        listener.listen()
        return listener

    def connect(
        self, stack: ExitStack, receive_buffer: int | None = None
    ) -> tuple[socket.socket, socket.socket]:
        """A connected pair: (ours, the peer's)."""
        listener = self.listener(stack)
        if receive_buffer:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        ours = self.ours.socket(stack)
        ours.connect(listener.getsockname())
        return ours, stack.enter_context(listener.accept()[0])


# --- scenarios ----------------------------------------------------------------


@dataclass(frozen=True)
class Scenario:
    """A situation; what the fast functions say of it, and what a close look says."""

    name: str
    fast: str
    close: str
    build: Callable[[ExitStack, Net], socket.socket]

    def __str__(self) -> str:
        return self.name


SCENARIOS: list[Scenario] = []
Builder = Callable[[ExitStack, Net], socket.socket]


def scenario(fast: str, close: str = "") -> Callable[[Builder], Builder]:
    """Register a scenario under its function's name."""

    def register(build: Builder) -> Builder:
        SCENARIOS.append(Scenario(build.__name__, fast, close or fast, build))
        return build

    return register


def keepalive(sock: socket.socket, idle: int = 1, interval: int = 1, count: int = 2) -> None:
    """Turn keepalive on."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, interval)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, count)


def user_timeout(sock: socket.socket, milliseconds: int) -> None:
    """Set TCP_USER_TIMEOUT."""
    sock.setsockopt(socket.IPPROTO_TCP, peers.TCP_USER_TIMEOUT, milliseconds)


def field(sock: socket.socket, offset: int) -> int:
    """A u32 of TCP_INFO."""
    (value,) = struct.unpack_from("I", peers.tcp_info(sock), offset)
    return int(value)


def retransmits(sock: socket.socket) -> int:
    return peers.tcp_info(sock)[2]


def probes(sock: socket.socket) -> int:
    return peers.tcp_info(sock)[3]


def death_of(sock: socket.socket) -> socket.socket:
    """Wait until the kernel has given the connection up."""
    peers.wait_for(sock, select.POLLERR)
    return sock


def black_hole(net: Net) -> None:
    """From now on nothing reaches the peer."""
    net.peer.filter("meta l4proto tcp drop")


@scenario("ALIVE")
def idle_into_black_hole(stack: ExitStack, net: Net) -> socket.socket:
    """Nothing shows, ever, without sending: what fastlive cannot know."""
    ours, _ = net.connect(stack)
    black_hole(net)
    return ours


@scenario("ALIVE")
def idle_link_down(stack: ExitStack, net: Net) -> socket.socket:
    ours, _ = net.connect(stack)
    net.ours.run("ip", "link", "set", "eth0", "down")
    return ours


@scenario("ALIVE", "SUSPECT")
def data_unanswered(stack: ExitStack, net: Net) -> socket.socket:
    ours, _ = net.connect(stack)
    black_hole(net)
    ours.send(b"anyone?")
    peers.wait_until(lambda: retransmits(ours) >= 1, "a retransmission")
    return ours


@scenario("ALIVE", "SUSPECT")
def icmp_error_with_data_in_flight(stack: ExitStack, net: Net) -> socket.socket:
    """Without IP_RECVERR the error is soft: poll shows nothing of it."""
    ours, _ = net.connect(stack)
    net.peer.filter("meta l4proto tcp reject with icmp type host-unreachable")
    ours.send(b"anyone?")
    peers.wait_until(lambda: retransmits(ours) >= 1, "a retransmission")
    return ours


@scenario("ALIVE", "SUSPECT")
def own_link_down_with_data(stack: ExitStack, net: Net) -> socket.socket:
    ours, _ = net.connect(stack)
    net.ours.run("ip", "link", "set", "eth0", "down")
    ours.send(b"anyone?")
    peers.wait_until(lambda: probes(ours) >= 1 or retransmits(ours) >= 1, "a probe")
    return ours


@scenario("ALIVE", "SUSPECT")
def own_address_removed_with_data(stack: ExitStack, net: Net) -> socket.socket:
    ours, _ = net.connect(stack)
    net.ours.run("ip", "addr", "flush", "dev", "eth0")
    ours.send(b"anyone?")
    peers.wait_until(lambda: probes(ours) >= 1 or retransmits(ours) >= 1, "a probe")
    return ours


@scenario("ALIVE", "SUSPECT")
def keepalive_probe_unanswered(stack: ExitStack, net: Net) -> socket.socket:
    ours, _ = net.connect(stack)
    keepalive(ours, count=60)
    black_hole(net)
    peers.wait_until(lambda: probes(ours) >= 1, "a keepalive probe")
    return ours


@scenario("ALIVE", "SUSPECT")
def own_firewall_swallows(stack: ExitStack, net: Net) -> socket.socket:
    ours, _ = net.connect(stack)
    net.ours.filter("meta l4proto tcp drop", hook="output")
    ours.send(b"anyone?")
    peers.wait_until(lambda: probes(ours) >= 1 or retransmits(ours) >= 1, "a probe")
    return ours


@scenario("SUSPECT")
def window_closed_then_gone(stack: ExitStack, net: Net) -> socket.socket:
    """poll shows a full send buffer, so the fast functions look closer."""
    ours, _ = net.connect(stack, receive_buffer=4096)
    peers.close_window(ours)
    black_hole(net)
    peers.wait_until(lambda: probes(ours) >= 2, "two window probes")
    return ours


@scenario("SUSPECT")
def icmp_error_asked_for(stack: ExitStack, net: Net) -> socket.socket:
    """IP_RECVERR puts the ICMP error of a living connection into poll."""
    ours, _ = net.connect(stack)
    ours.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    net.peer.filter("meta l4proto tcp reject with icmp type host-unreachable")
    ours.send(b"anyone?")
    peers.wait_for(ours, select.POLLERR)
    return ours


@scenario("TIMED_OUT")
def keepalive_ran_out(stack: ExitStack, net: Net) -> socket.socket:
    ours, _ = net.connect(stack)
    keepalive(ours)
    black_hole(net)
    return death_of(ours)


@scenario("TIMED_OUT")
def keepalive_ran_out_by_user_timeout(stack: ExitStack, net: Net) -> socket.socket:
    ours, _ = net.connect(stack)
    keepalive(ours, count=50)
    user_timeout(ours, 1500)
    black_hole(net)
    return death_of(ours)


@scenario("RESET")
def rebooted_peer_answers_a_probe(stack: ExitStack, net: Net) -> socket.socket:
    ours, peer = net.connect(stack)
    keepalive(ours, count=50)
    user_timeout(ours, 60_000)
    net.peer.filter("meta l4proto tcp drop", hook="output")
    peers.reset(peer)  # nobody hears of it
    net.peer.unfilter()
    return death_of(ours)


@scenario("TIMED_OUT")
def user_timeout_on_data(stack: ExitStack, net: Net) -> socket.socket:
    ours, _ = net.connect(stack)
    user_timeout(ours, 1000)
    black_hole(net)
    ours.send(b"anyone?")
    return death_of(ours)


@scenario("TIMED_OUT")
def user_timeout_on_data_with_low_rto_max(stack: ExitStack, net: Net) -> socket.socket:
    """TCP_RTO_MAX_MS keeps rto small: no sign of ICMP errors."""
    ours, _ = net.connect(stack)
    with suppress(OSError):  # before Linux 6.15 this is user_timeout_on_data
        ours.setsockopt(socket.IPPROTO_TCP, TCP_RTO_MAX_MS, 1000)
    user_timeout(ours, 5000)
    black_hole(net)
    ours.send(b"anyone?")
    return death_of(ours)


@scenario("RESET")
def reset_of_a_slow_reader(stack: ExitStack, net: Net) -> socket.socket:
    """The window is closed and TCP_USER_TIMEOUT is set, but far from over."""
    ours, peer = net.connect(stack, receive_buffer=4096)
    user_timeout(ours, 60_000)
    peers.close_window(ours)
    peers.reset(peer)
    return death_of(ours)


@scenario("TIMED_OUT")
def retries_ran_out(stack: ExitStack, net: Net) -> socket.socket:
    net.ours.sysctl("ipv4/tcp_retries2", "2")
    ours, _ = net.connect(stack)
    black_hole(net)
    ours.send(b"anyone?")
    return death_of(ours)


@scenario("RESET")
def reset_while_retransmitting(stack: ExitStack, net: Net) -> socket.socket:
    ours, peer = net.connect(stack)
    black_hole(net)
    ours.send(b"anyone?")
    peers.wait_until(lambda: retransmits(ours) >= 2, "two retransmissions")
    peers.reset(peer)
    return death_of(ours)


@scenario("RESET")
def reset_while_retransmitting_after_long_silence(stack: ExitStack, net: Net) -> socket.socket:
    """The peer was last heard of longer ago than TCP_USER_TIMEOUT: no proof of a timeout."""
    ours, peer = net.connect(stack)
    user_timeout(ours, 1500)
    peers.wait_until(lambda: field(ours, 56) > 2000, "two seconds of silence")
    black_hole(net)
    ours.send(b"anyone?")
    peers.wait_until(lambda: retransmits(ours) >= 1, "a retransmission")
    peers.reset(peer)
    return death_of(ours)


@scenario("UNREACHABLE")
def icmp_until_user_timeout(stack: ExitStack, net: Net) -> socket.socket:
    """Each ICMP error takes a back-off back (RFC 6069); at last one of them is the errno."""
    ours, _ = net.connect(stack)
    user_timeout(ours, 2500)
    net.peer.filter("meta l4proto tcp reject with icmp type host-unreachable")
    ours.send(b"anyone?")
    return death_of(ours)


@scenario("RESET")
def destroyed_locally(stack: ExitStack, net: Net) -> socket.socket:
    """ss -K leaves ECONNABORTED; without the errno it looks like a RST."""
    ours, _ = net.connect(stack)
    net.ours.run("ss", "-K", "dst", net.peer.address)
    return death_of(ours)


@scenario("UNREACHABLE")
def icmp_on_connect(stack: ExitStack, net: Net) -> socket.socket:
    net.peer.filter("meta l4proto tcp reject with icmp type host-unreachable")
    ours = net.ours.socket(stack)
    ours.setblocking(False)
    ours.connect_ex((net.peer.address, 9))
    return death_of(ours)


@scenario("REFUSED")
def refused_from_afar(stack: ExitStack, net: Net) -> socket.socket:
    ours = net.ours.socket(stack)
    ours.setblocking(False)
    ours.connect_ex((net.peer.address, 9))
    return death_of(ours)


@scenario("CONNECTING")
def connecting_into_black_hole(stack: ExitStack, net: Net) -> socket.socket:
    black_hole(net)
    ours = net.ours.socket(stack)
    ours.setblocking(False)
    ours.connect_ex((net.peer.address, 9))
    peers.wait_until(lambda: retransmits(ours) >= 1, "a second SYN")
    return ours


@scenario("TIMED_OUT")
def connect_ran_out(stack: ExitStack, net: Net) -> socket.socket:
    return _connect_ran_out(stack, net)


@scenario("TIMED_OUT")
def connect_ran_out_before_linux_6_5(stack: ExitStack, net: Net) -> socket.socket:
    """Without linear SYN timeouts the count at death is TCP_SYNCNT, not more."""
    net.ours.sysctl("ipv4/tcp_syn_linear_timeouts", "0")
    return _connect_ran_out(stack, net)


def _connect_ran_out(stack: ExitStack, net: Net) -> socket.socket:
    black_hole(net)
    ours = net.ours.socket(stack)
    ours.setblocking(False)
    ours.setsockopt(socket.IPPROTO_TCP, TCP_SYNCNT, 1)
    ours.connect_ex((net.peer.address, 9))
    return death_of(ours)


def fast_open_early_data(stack: ExitStack, net: Net) -> socket.socket:
    """Accepted in SYN_RECV: poll knows of the data, FIONREAD does not.

    No scenario of the list: a second later the SYN-ACK is sent again, and what
    goes unanswered is SUSPECT.
    """
    net.peer.sysctl("ipv4/tcp_fastopen", "2")
    net.ours.sysctl("ipv4/tcp_fastopen", "1")
    listener = net.listener(stack)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 5)
    listener.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1)
    net.peer.filter("tcp flags & (syn | ack) == ack drop")  # the handshake never ends
    client = net.ours.socket(stack)
    client.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1)
    client.setblocking(False)
    client.sendto(b"early", socket.MSG_FASTOPEN, listener.getsockname())
    peers.wait_for(listener, select.POLLIN)
    ours = stack.enter_context(listener.accept()[0])
    assert peers.tcp_state(ours) == 3
    return ours
