"""The far ends of the demo's connections, in a process of their own.

Run as ``python -m fastlive._demo_peer``. It prints one JSON line with the addresses
it listens on, accepts whatever comes, and carries out orders that arrive as JSON
lines on standard input: ``{"do": ACTION, "to": [CONNECTION, ...]}``. A connection is
``[family, the demo's port, our port]``; less would not name it, because one port may
serve connections to several listeners. It answers each order with a line, and ends
when standard input does.
"""

from __future__ import annotations

import json
import resource
import selectors
import signal
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress

#: How long to wait for connections that an order names and that are not here yet.
ACCEPT_PATIENCE = 30.0
SMALL_BUFFER = 4096  # bytes; fills at once, so that a window closes

Peers = dict[tuple[int, int, int], socket.socket]


def send(sock: socket.socket) -> None:
    """Leave something to read."""
    sock.send(b"unread")


def close(sock: socket.socket) -> None:
    """End it in order, with a FIN."""
    sock.close()


def half_close(sock: socket.socket) -> None:
    """Stop sending, go on receiving: a FIN too."""
    sock.shutdown(socket.SHUT_WR)


def reset(sock: socket.socket) -> None:
    """End it with a RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


ACTIONS: dict[str, Callable[[socket.socket], None]] = {
    action.__name__: action for action in (send, close, half_close, reset)
}


def listen(host: str, receive_buffer: int | None = None) -> socket.socket:
    """Listen on any port of `host`."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    if receive_buffer:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    listener.bind((host, 0))
    listener.listen(4096)
    listener.setblocking(False)
    return listener


def listeners() -> dict[str, socket.socket]:
    """By name: "ipv4", "ipv6" where this machine has it, and "small" with a small buffer."""
    found = {"ipv4": listen("127.0.0.1"), "small": listen("127.0.0.1", SMALL_BUFFER)}
    with suppress(OSError):  # no IPv6 here: the demo says so
        found["ipv6"] = listen("::1")
    return found


def accept(listener: socket.socket, peers: Peers) -> None:
    """Take everything that waits."""
    while True:
        try:
            sock, address = listener.accept()
        except BlockingIOError:
            return
        sock.setblocking(True)
        peers[int(sock.family), address[1], sock.getsockname()[1]] = sock


def obey(order: str, peers: Peers, accept_more: Callable[[float], None]) -> int:
    """Carry out one order, and return for how many connections."""
    request = json.loads(order)
    action = ACTIONS[request["do"]]
    targets = [(family, theirs, ours) for family, theirs, ours in request["to"]]
    while any(target not in peers for target in targets):
        accept_more(ACCEPT_PATIENCE)
    for target in targets:
        action(peers[target])
    return len(targets)


def main() -> None:
    """Listen, accept and obey until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the demo's; it lets us go
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    peers: Peers = {}
    waiting = selectors.DefaultSelector()
    sources = listeners()
    for listener in sources.values():
        waiting.register(listener, selectors.EVENT_READ, listener)

    def accept_more(patience: float) -> None:
        ready = waiting.select(patience)
        if not ready:
            raise TimeoutError(f"no connection came within {patience} s")
        for key, _ in ready:
            if key.data is not None:
                accept(key.data, peers)

    addresses = {name: listener.getsockname()[:2] for name, listener in sources.items()}
    print(json.dumps(addresses), flush=True)
    waiting.register(sys.stdin, selectors.EVENT_READ, None)
    while True:
        for key, _ in waiting.select():
            if key.data is not None:
                accept(key.data, peers)
                continue
            order = sys.stdin.readline()
            if not order:
                return
            print(obey(order, peers, accept_more), flush=True)


if __name__ == "__main__":
    main()
