"""The systems that a bench loads: a federation of the present or of an older tree, and a bare chain."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from deploy.local.federation import FEDERATION_FILES, LocalFederation
from deploy.local.process import Launcher, Program, Started, launch_anew
from deploy.local.profiles import EMBEDDED, Profile
from tests.bench.chain import Chain
from tests.bench.load import LoadClient
from tests.bench.orders import CUSTOMERS, HANDLING, HOME, create_customers


@contextmanager
def running(
    directory: Path, profile: Profile = EMBEDDED, tree: Path | None = None, customers: int = CUSTOMERS
) -> Iterator[LocalFederation]:
    """A federation with the customers of the bench; of another tree where one is given. It ends with the context."""
    federation = LocalFederation(
        directory, (HANDLING, HOME), profile, launcher=launch_anew if tree is None else launcher_of(tree)
    )
    try:
        federation.prepare()
        federation.start(configuration=FEDERATION_FILES if tree is None else tree / "deploy" / "federation")
        asyncio.run(create_customers(federation, customers=customers))
        yield federation
    finally:
        federation.kill()


@contextmanager
def chain_client(directory: Path, sizes: Mapping[str, int]) -> Iterator[LoadClient]:
    """A load client of a bare chain, whose messages have the sizes of an order's. Both end with the context."""
    chain = Chain(directory, sizes["answer_bytes"])
    try:
        arguments = ["chain", f"--endpoint={chain.start()}", f"--request-bytes={sizes['request_bytes']}"]
        client = LoadClient(arguments, chain.pids, directory / "client.log")
        try:
            yield client
        finally:
            client.close()
    finally:
        chain.kill()


def launcher_of(tree: Path) -> Launcher:
    """Starts programs of another tree by this interpreter, with the packages that are installed here."""
    found = {"PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1"}  # and nothing from the directory of this process

    def launch(program: Program, environment: Mapping[str, str], log: IO[bytes]) -> Started:
        return launch_anew(program, {**environment, **found}, log)

    return launch
