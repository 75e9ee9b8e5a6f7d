"""TLS: what has been decrypted has left the kernel, and is still unread."""

from __future__ import annotations

import select
import ssl
import threading
from contextlib import ExitStack
from typing import Any

import pytest
import trustme

import peers


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """(client, server), trusting each other."""
    authority = trustme.CA()
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(client)
    authority.issue_cert("localhost").configure_cert(server)
    return client, server


def connect(
    stack: ExitStack,
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
) -> tuple[ssl.SSLSocket, ssl.SSLSocket]:
    """A pair after the handshake: (our client, the server)."""
    ours, peer = peers.connect(stack)
    accepted: list[ssl.SSLSocket] = []
    for context in contexts:
        context.maximum_version = version

    def serve() -> None:
        accepted.append(contexts[1].wrap_socket(peer, server_side=True))

    thread = threading.Thread(target=serve)
    thread.start()
    client = contexts[0].wrap_socket(ours, server_hostname="localhost")
    thread.join()
    return stack.enter_context(client), stack.enter_context(accepted[0])


Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


def test_idle(fl: Any, stack: ExitStack, contexts: Contexts) -> None:
    ours, _ = connect(stack, contexts)
    assert fl.status(ours) is fl.Status.ALIVE
    assert fl.is_reusable(ours)


def test_decrypted_bytes_are_unread(fl: Any, stack: ExitStack, contexts: Contexts) -> None:
    """The kernel's buffer is empty, the SSLSocket's is not."""
    ours, peer = connect(stack, contexts)
    peer.send(b"0123456789")
    assert ours.recv(1) == b"0"
    assert ours.pending() == 9
    assert select.select([ours], [], [], 0)[0] == []  # nothing in the kernel

    assert fl.status(ours) is fl.Status.READABLE
    assert fl.is_alive(ours)
    assert not fl.is_reusable(ours)
    assert fl.dead([ours]) == []
    out = bytearray(3)
    plain, _ = peers.connect(stack)
    expected = [fl.Status.ALIVE, fl.Status.READABLE, fl.Status.ALIVE]
    assert list(fl.check([plain, ours, plain])) == expected
    assert list(fl.check([plain, ours, plain], out=out)) == expected
    assert list(out) == expected
    assert fl.status(ours.fileno()) is fl.Status.ALIVE  # a number knows nothing of TLS

    assert ours.recv(100) == b"123456789"
    assert fl.status(ours) is fl.Status.ALIVE
    assert fl.is_reusable(ours)


def test_unread_record(fl: Any, stack: ExitStack, contexts: Contexts) -> None:
    ours, peer = connect(stack, contexts)
    peer.send(b"x")
    peers.wait_for(ours, select.POLLIN)
    assert fl.status(ours) is fl.Status.READABLE


def test_session_tickets_are_unread(fl: Any, stack: ExitStack, contexts: Contexts) -> None:
    """TLS 1.3 servers send tickets that nobody has asked for."""
    ours, _ = connect(stack, contexts, ssl.TLSVersion.TLSv1_3)
    peers.wait_for(ours, select.POLLIN)
    assert fl.status(ours) is fl.Status.READABLE


def test_peer_closed_comes_before_decrypted_bytes(
    fl: Any, stack: ExitStack, contexts: Contexts
) -> None:
    ours, peer = connect(stack, contexts)
    peer.send(b"0123456789")
    assert ours.recv(1) == b"0"
    peer.close()
    peers.wait_for(ours, peers.RDHUP)
    assert fl.status(ours) is fl.Status.PEER_CLOSED
    assert list(fl.check([ours])) == [fl.Status.PEER_CLOSED]


def test_before_the_handshake_and_after_close(
    fl: Any, stack: ExitStack, contexts: Contexts
) -> None:
    ours, _ = peers.connect(stack)
    client = stack.enter_context(
        contexts[0].wrap_socket(ours, server_hostname="localhost", do_handshake_on_connect=False)
    )
    assert fl.status(client) is fl.Status.ALIVE
    client.close()
    assert fl.status(client) is fl.Status.BAD_FD
