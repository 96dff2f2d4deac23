"""A DBOS application, run by the interpreter of an environment that has DBOS and nothing of this project.

It answers each line of a connection, which holds the id of an order, with that id. An order is a workflow of two
steps: one here; the other here as well or, where a home is given, at another such process. There it is a workflow of
its own with the id of the order, so that a repeat finds its result. Each connection has a thread, as DBOS suggests for
workflows that are no coroutines.
"""

import argparse
import os
import queue
import socket
import socketserver
from collections.abc import Callable
from pathlib import Path

from dbos import DBOS, SetWorkflowID

Work = Callable[[str], str]


class Home:
    """The connections to the process of the home region, each used by one workflow at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._free: queue.SimpleQueue[socket.socket] = queue.SimpleQueue()

    def execute(self, order: str) -> str:
        """Has an order executed there, and returns its id. Raises OSError."""
        try:
            connection = self._free.get_nowait()
        except queue.Empty:
            connection = socket.create_connection(("127.0.0.1", self._port))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(f"{order}\n".encode("ascii"))
        answer = connection.recv(1024)  # an answer is one short segment
        if not answer:
            raise ConnectionError("the home region has closed a connection")
        self._free.put(connection)
        return answer.decode("ascii").strip()


class Orders(socketserver.StreamRequestHandler):
    """Answers the lines of one connection."""

    disable_nagle_algorithm = True
    workflow: Work

    def handle(self) -> None:
        """See BaseRequestHandler."""
        for line in self.rfile:
            order = line.decode("ascii").strip()
            with SetWorkflowID(order):
                done = type(self).workflow(order)
            self.wfile.write(f"{done}\n".encode("ascii"))


class Server(socketserver.ThreadingTCPServer):
    """A server whose threads end with its process, and with room for all callers to connect at once."""

    daemon_threads = True
    request_queue_size = 1024


def workflow_of(home: Home | None, *, is_home: bool) -> Work:
    """The workflow of a process: of two steps, or of the one that is left to the home region."""

    def accept(order: str) -> str:
        return order  # its effect is this result, which DBOS stores

    def execute(order: str) -> str:
        return order if home is None else home.execute(order)

    first: Work = DBOS.step(name="accept")(accept)
    second: Work = DBOS.step(name="execute")(execute)

    def order_of_two_steps(order: str) -> str:
        return second(first(order))

    def order_at_home(order: str) -> str:
        return second(order)

    found: Work = DBOS.workflow(name="order")(order_at_home if is_home else order_of_two_steps)
    return found


def main() -> None:
    """Serves until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--database", required=True, help="URL of the database of its workflows")
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--home", type=int, help="port of the process of the home region")
    parser.add_argument("--is-home", action="store_true")
    chosen = parser.parse_args()
    DBOS(config={"name": "orders", "system_database_url": chosen.database, "log_level": "WARNING"})
    Orders.workflow = workflow_of(None if chosen.home is None else Home(chosen.home), is_home=chosen.is_home)
    DBOS.launch()
    with Server(("127.0.0.1", 0), Orders) as server:
        written = chosen.port_file.with_suffix(".new")
        written.write_text(f"{server.server_address[1]}\n", "ascii")
        os.replace(written, chosen.port_file)
        server.serve_forever()


if __name__ == "__main__":
    main()
