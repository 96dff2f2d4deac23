"""A port of loopback stays with whom it was given to, whether its server runs or not."""

import socket

import pytest

from deploy.local.ports import HeldPort


@pytest.fixture
def port() -> HeldPort:
    return HeldPort()


def server(port: int) -> socket.socket:
    """A server as PostgreSQL and etcd make theirs."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    listening.listen()
    return listening


def test_its_server_listens_on_it_again_and_again(port: HeldPort) -> None:
    for _ in range(3):
        with server(port.number), socket.create_connection(("127.0.0.1", port.number), timeout=5):
            pass


def test_nobody_answers_there_while_its_server_is_down(port: HeldPort) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port.number), timeout=5)


def test_another_program_does_not_get_it(port: HeldPort) -> None:
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port.number))


def test_it_is_free_once_released(port: HeldPort) -> None:
    port.release()
    with socket.socket() as other:
        other.bind(("127.0.0.1", port.number))
