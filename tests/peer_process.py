"""A process that holds the far ends of many connections, and ends them on command.

`PeerProcess` is the side that the tests use; run as a script, this file is the
process. A process and not a thread: what the peer does must not wait for the GIL
of those who watch.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import time
from contextlib import ExitStack

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(__file__))

import peers


class PeerProcess:
    """Connections whose other ends another process holds."""

    def __init__(self, stack: ExitStack, n: int) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=n) as listener:
            self.process = subprocess.Popen(
                [sys.executable, __file__, str(listener.getsockname()[1]), str(n)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            stack.callback(self._stop)
            self.connections = [stack.enter_context(listener.accept()[0]) for _ in range(n)]

    def end_all(self, how: str, gap_us: int) -> None:
        """Have the process end every connection, one after another; does not wait."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{how} {gap_us}\n".encode())
        self.process.stdin.flush()

    def done(self) -> bool:
        """Whether the process has ended all of them."""
        assert self.process.stdout is not None
        return bool(select.select([self.process.stdout], [], [], 0)[0])

    def _stop(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(peers.PATIENCE)


def end(sock: socket.socket, how: str) -> None:
    """End one connection: rst or fin."""
    if how == "rst":
        peers.reset(sock)
    elif how == "fin":
        sock.shutdown(socket.SHUT_WR)
    else:
        raise ValueError(how)


def main(port: int, n: int) -> None:
    """Connect n times, wait for a command, carry it out, wait to be let go."""
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(n)]
    for line in sys.stdin:
        how, gap_us = line.split()
        for sock in connections:
            end(sock, how)
            ready = time.perf_counter() + int(gap_us) / 1e6
            while time.perf_counter() < ready:
                pass
        print("done", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
