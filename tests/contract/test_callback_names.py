"""Names of callbacks are looked up beside everything else that a process does."""

import asyncio
import socket
import threading
from pathlib import Path

import pytest

from gateway.errors import Refused
from region_node.listeners import callbacks
from region_node.listeners.names import NAMES_AT_ONCE
from tests.contract.test_listeners import PATIENCE, Region, has_failed, listening


def test_names_that_no_name_server_answers_hold_up_nothing_else_of_the_process_and_later_names_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, found = threading.Event(), socket.getaddrinfo

    def asked(host: str, *others: int, **named: int) -> object:
        if host == "silent.example":
            answers.wait(PATIENCE)
        return found("127.0.0.1", *others, **named)

    async def registered(here: Region) -> None:
        with pytest.raises(Refused, match="CALLBACK_REFUSED"):
            await here.register("https://silent.example/x", "flooding")

    async def scenario() -> None:
        async with listening(tmp_path) as (here, hook):
            with monkeypatch.context() as impatient:
                impatient.setattr(callbacks, "POST_SECONDS", 0.01)
                await asyncio.gather(*(registered(here) for _ in range(2 * NAMES_AT_ONCE)))
            try:
                await asyncio.to_thread(str)  # as the process follows its federation
            finally:
                answers.set()
            await here.register(hook.url.replace("127.0.0.1", "crm.example"))
            await here.order(1)
            async with here.telling():
                failed = await here.listener(has_failed)
            assert failed.problem == "ClientConnectorCertificateError", "it was found by a name of no certificate"

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    asyncio.run(scenario())
