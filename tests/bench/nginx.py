"""`python -m tests.bench.nginx`: orders, and a bare chain, beside a chain with nginx in the coordinator's place.

The chain with nginx has the mutual TLS of the product on each of its three connections, and neither stores nor signs.
"""

import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from deploy.local.certificates import HOST_NAME, StoreAuthority
from deploy.local.ports import HeldPort
from deploy.local.process import START_SECONDS, ChildProcess, LocalProcess, wait_until
from tests.bench.chain import chain_program
from tests.bench.comparing import LEVELS, order_client, windows_of
from tests.bench.load import LoadClient
from tests.bench.report import Level, Round, report
from tests.bench.requirements import BUILD, Needs, ready, working_directory
from tests.bench.results import CHAIN, ORDERS, circumstances, write_report
from tests.bench.running import chain_client, running
from tests.bench.table import console, table

NGINX = "chain with nginx"
PACKAGE = "nginx-light"
_PLACES = os.pathsep.join(("/usr/sbin", "/usr/local/sbin"))  # often not on the path of those who are not root
_CONNECT_SECONDS = 0.2

# One process, as a coordinator is one, and no limit that ends a connection amid a run. A connection to an upstream
# carries one call at a time: as many are kept as callers ever call at once.
_CONFIGURATION = """
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    upstream home {{
        server {home};
        keepalive 1024;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port} ssl http2;
        http2_max_concurrent_streams 1024;
        keepalive_requests 1000000000;
        ssl_protocols TLSv1.3;
        ssl_certificate {certificate}/tls.crt;
        ssl_certificate_key {certificate}/tls.key;
        ssl_client_certificate {certificate}/authority.crt;
        ssl_verify_client on;
        location / {{
            grpc_pass grpcs://home;
            grpc_ssl_protocols TLSv1.3;
            grpc_ssl_certificate {certificate}/tls.crt;
            grpc_ssl_certificate_key {certificate}/tls.key;
            grpc_ssl_trusted_certificate {certificate}/authority.crt;
            grpc_ssl_verify on;
            grpc_ssl_name {name};
        }}
    }}
}}
"""


def program() -> str | None:
    """The installed nginx; None without one."""
    return shutil.which("nginx") or shutil.which("nginx", path=_PLACES)


def missing() -> Sequence[str]:
    """The lack of nginx, as a sentence with the remedy."""
    remedy = f"nginx is not installed (on Debian: the package {PACKAGE}). `sh deploy/build/services.sh nginx` does it"
    return [] if program() else [remedy]


class NginxServer(ChildProcess):
    """An nginx of one process on loopback, which passes each call on; its files lie in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        super().__init__("nginx", directory / "nginx.log")
        self._directory = directory
        self._port = HeldPort()

    def start(self, certificate: Path, home: str) -> str:
        """Starts it before a server, and returns its endpoint once it takes connections. Raises ProcessFailed."""
        configuration = self._directory / "nginx.conf"
        filled = _CONFIGURATION.format(
            directory=self._directory, home=home, port=self._port.number, certificate=certificate, name=HOST_NAME
        )
        configuration.write_text(filled, "utf-8")
        command = [program() or "nginx", "-e", "stderr", "-p", f"{self._directory}/", "-c", str(configuration)]
        self.run(command, os.environ)
        wait_until(self._takes_connections, START_SECONDS, "nginx takes connections")
        return f"127.0.0.1:{self._port.number}"

    def _takes_connections(self) -> bool:
        self.require_running()
        try:
            socket.create_connection(("127.0.0.1", self._port.number), _CONNECT_SECONDS).close()
        except OSError:
            return False
        return True


@contextmanager
def nginx_client(directory: Path, sizes: dict[str, int]) -> Iterator[LoadClient]:
    """A load client of two bare servers with nginx between them. All end with the context."""
    certificate = directory / "certificate"
    directory.mkdir(parents=True)
    authority = StoreAuthority("chain")
    authority.write(authority.issue_server(HOST_NAME), certificate)
    home = LocalProcess(chain_program(directory, "b", sizes["answer_bytes"], certificate=certificate))
    with ExitStack() as stack:
        stack.callback(home.kill)
        nginx = NginxServer(directory)
        stack.callback(nginx.kill)
        following = nginx.start(certificate, f"127.0.0.1:{home.start()}")
        first = LocalProcess(chain_program(directory, "a", sizes["answer_bytes"], following, certificate))
        stack.callback(first.kill)
        arguments = [f"--endpoint=127.0.0.1:{first.start()}", f"--request-bytes={sizes['request_bytes']}"]
        client = LoadClient(
            ["chain", *arguments, f"--certificate={certificate}"],
            [first.pid, nginx.pid, home.pid],
            directory / "client.log",
        )
        stack.callback(client.close)
        yield client


def measure(directory: Path, levels: Sequence[int], rounds: int, seconds: float) -> tuple[list[Level], list[Level]]:
    """The chain with nginx beside the bare chain, and orders beside the chain with nginx; all three take turns."""
    with ExitStack() as stack:
        federation = stack.enter_context(running(directory / "federation"))
        orders = order_client(federation, directory / "orders.log")
        stack.callback(orders.close)
        chain = stack.enter_context(chain_client(directory / "chain", orders.ready))
        nginx = stack.enter_context(nginx_client(directory / "nginx", orders.ready))
        beside_chain: list[Level] = []
        beside_nginx: list[Level] = []
        for callers in levels:
            done = windows_of((chain, nginx, orders), callers, rounds, seconds)
            beside_chain.append(Level(callers, [Round(each[0], each[1]) for each in done]))
            beside_nginx.append(Level(callers, [Round(each[1], each[2]) for each in done]))
        return beside_chain, beside_nginx


@click.command()
@click.option("--callers", "levels", type=int, multiple=True, default=LEVELS, show_default=True)
@click.option("--rounds", default=5, show_default=True, help="per number of callers")
@click.option("--seconds", default=2.0, show_default=True, help="for one of the three loads in one round")
@click.option("--unsynced", is_flag=True, help="also where a commit costs nothing, for a try")
@click.option("--output", type=click.Path(path_type=Path), default=BUILD / "nginx.json", show_default=True)
def main(levels: Sequence[int], rounds: int, seconds: float, output: Path, *, unsynced: bool) -> None:
    """Measures orders and a bare chain beside two bare servers with nginx between them, over mutual TLS."""
    others = ready(Needs(output.parent, synced=not unsynced, missing=missing()))
    with working_directory(output.parent, "nginx") as directory:
        beside_chain, beside_nginx = measure(directory, levels, rounds, seconds)
        conditions = circumstances(directory, others, rounds=rounds, seconds_per_round_and_load=seconds)
    shown = console()
    shown.print(table(beside_chain, "two servers with nginx between them against a bare chain", CHAIN, NGINX))
    shown.print(table(beside_nginx, "orders between regions against the chain with nginx", NGINX, ORDERS))
    parts = {NGINX: report(beside_chain, CHAIN, NGINX), ORDERS: report(beside_nginx, NGINX, ORDERS)}
    write_report(output, {**parts, "conditions": conditions})
    click.echo(f"written to {output}")


if __name__ == "__main__":
    main()
