"""A start that fails halfway leaves nothing behind."""

import asyncio
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from coordinator.app import start
from coordinator.settings import EnrolmentSettings
from gateway.rpc.ports import PortInUse
from gateway.web.settings import WebSettings
from tests.contract.coordinators import run, settings
from tests.contract.small_federation import Certificates


@pytest.mark.parametrize("is_web", [False, True], ids=["enrolment", "web"])
def test_a_coordinator_whose_further_port_is_taken_ends_what_it_has_begun(
    certificates: Certificates, tmp_path: Path, is_web: bool
) -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            taken, chosen = f"127.0.0.1:{other.getsockname()[1]}", settings(certificates, tmp_path / "data")
            if is_web:
                chosen = replace(chosen, web=WebSettings(taken))
            else:
                chosen = replace(chosen, enrolment=EnrolmentSettings(taken))
            with pytest.raises(PortInUse, match=taken):
                await start(chosen)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(scenario())
