"""The fault proxy does to connections what it says, and counts it."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from deploy.local.process import wait_until
from tests.faults.background import Background
from tests.faults.proxy import Fault, FaultProxy

PATIENCE = 10.0


class Echo:
    """A server that sends back what it gets, behind a proxy."""

    def __init__(self, background: Background) -> None:
        self.background = background
        self.proxy = FaultProxy(background, lambda: self.endpoint)
        self.endpoint = ""
        self.received = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1024):
            self.received += len(data)
            writer.write(data)
        writer.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    background = Background()
    served = Echo(background)
    server = background.run(asyncio.start_server(served.serve, "127.0.0.1", 0))
    served.endpoint = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield served
    served.proxy.close()
    server.close()
    background.close()


def dial(echo: Echo) -> socket.socket:
    """A connection through the proxy."""
    host, _, port = echo.proxy.endpoint.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def ask(connection: socket.socket, text: bytes) -> bytes:
    """Sends a text and returns what comes back."""
    connection.sendall(text)
    return connection.recv(1024)


def require_turned_away(echo: Echo) -> None:
    """A new connection is reset, at once or as soon as it stands."""
    with pytest.raises(ConnectionResetError), dial(echo) as connection:
        connection.recv(1)


def is_silent(connection: socket.socket) -> bool:
    """Whether nothing has come back by now."""
    connection.setblocking(False)
    try:
        connection.recv(1)
    except BlockingIOError:
        return True
    finally:
        connection.settimeout(PATIENCE)
    return False


def test_without_a_fault_bytes_pass_and_are_counted(echo: Echo) -> None:
    with dial(echo) as connection:
        assert ask(connection, b"hello") == b"hello"
        assert echo.proxy.most(lambda each: each.requests.passed) == 5
        wait_until(lambda: echo.proxy.most(lambda each: each.answers.passed) == 5, PATIENCE, "the answer is counted")


def test_what_was_sent_before_a_side_hung_up_arrives(echo: Echo) -> None:
    with dial(echo) as connection:
        connection.sendall(b"last words")
        connection.shutdown(socket.SHUT_WR)
        wait_until(lambda: echo.proxy.most(lambda each: each.answers.passed) == 10, PATIENCE, "the answer has passed")
        assert connection.recv(1024) == b"last words"
        assert connection.recv(1024) == b""


def test_a_cut_resets_what_is_open_and_turns_new_connections_away(echo: Echo) -> None:
    with dial(echo) as connection:
        assert ask(connection, b"hello") == b"hello"
        echo.proxy.cut()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    require_turned_away(echo)
    assert echo.proxy.turned_away == 1
    echo.proxy.heal()
    with dial(echo) as connection:
        assert ask(connection, b"again") == b"again"


def test_a_cut_resets_a_connection_that_was_taken_in_only_just_before(echo: Echo) -> None:
    async def dial_and_cut() -> socket.socket:
        connection = dial(echo)  # on the proxy's own loop: it cannot take it in before the next turns
        for _ in range(1000):
            if echo.proxy._tasks:
                break
            await asyncio.sleep(0)
        await echo.proxy._change(Fault.CUT, 0.0)
        return connection

    with echo.background.run(dial_and_cut()) as connection, pytest.raises(ConnectionError):
        ask(connection, b"hello")


def test_a_black_hole_swallows_requests_in_silence(echo: Echo) -> None:
    with dial(echo) as connection:
        ask(connection, b"hello")
        echo.proxy.blackhole()
        connection.sendall(b"lost")
        wait_until(lambda: echo.proxy.most(lambda each: each.requests.lost) == 4, PATIENCE, "it is lost")
        assert is_silent(connection)
        assert echo.received == 5
        echo.proxy.heal()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_a_new_connection_into_a_black_hole_is_taken_and_swallowed(echo: Echo) -> None:
    echo.proxy.blackhole()
    with dial(echo) as connection:
        connection.sendall(b"lost")
        wait_until(lambda: echo.proxy.most(lambda each: each.requests.lost) == 4, PATIENCE, "it is lost")
        assert is_silent(connection)
        assert echo.received == 0


def test_dropped_answers_lose_nothing_of_the_requests(echo: Echo) -> None:
    with dial(echo) as connection:
        ask(connection, b"hello")
        echo.proxy.drop_answers()
        connection.sendall(b"done")
        wait_until(lambda: echo.proxy.most(lambda each: each.answers.lost) == 4, PATIENCE, "the answer is lost")
        assert echo.received == 9
        assert is_silent(connection)


def test_what_is_held_goes_on_its_way_when_the_fault_ends(echo: Echo) -> None:
    with dial(echo) as connection:
        ask(connection, b"hello")
        echo.proxy.hold()
        connection.sendall(b"late")
        wait_until(lambda: echo.proxy.most(lambda each: each.requests.held) == 4, PATIENCE, "it is held")
        assert echo.received == 5
        echo.proxy.heal()
        assert connection.recv(1024) == b"late"


def test_what_is_held_is_lost_when_the_link_is_cut(echo: Echo) -> None:
    with dial(echo) as connection:
        ask(connection, b"hello")
        echo.proxy.hold()
        connection.sendall(b"lost")
        wait_until(lambda: echo.proxy.most(lambda each: each.requests.held) == 4, PATIENCE, "it is held")
        echo.proxy.cut()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    echo.proxy.heal()
    with dial(echo) as connection:
        assert ask(connection, b"again") == b"again"
    assert echo.received == len("hello") + len("again")


def test_held_answers_are_of_requests_that_arrived(echo: Echo) -> None:
    with dial(echo) as connection:
        ask(connection, b"hello")
        echo.proxy.hold_answers()
        connection.sendall(b"late")
        wait_until(lambda: echo.proxy.most(lambda each: each.answers.held) == 4, PATIENCE, "the answer is held")
        assert echo.received == 9
        assert is_silent(connection)
        echo.proxy.heal()
        assert connection.recv(1024) == b"late"


def test_delayed_bytes_arrive_whole_and_in_order(echo: Echo) -> None:
    with dial(echo) as connection:
        echo.proxy.delay(0.05)
        connection.sendall(b"first ")
        assert ask(connection, b"second")
        assert echo.proxy.most(lambda each: each.requests.passed) >= len("first ")


def test_a_connection_to_a_target_that_is_not_there_is_reset(echo: Echo) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        echo.endpoint = f"127.0.0.1:{unused.getsockname()[1]}"
    require_turned_away(echo)
