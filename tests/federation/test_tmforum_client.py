"""The PyPI client `tmforum`, which others have written, against version 5 of the Open APIs of a real node."""

import json
import os
import subprocess
from asyncio import to_thread
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.types.v1.access_pb2 import Role
from gateway.security.identity import server_name
from tests.federation.certificates import FEDERATION
from tests.federation.complainant import Complainant
from tests.federation.counter import Counter
from tests.federation.running import Federation
from tests.federation.web_caller import CLERK, web_caller
from tests.third_party.results import PROPERTY, Call

PYTHON = Path(__file__).parents[2] / "build" / "tmforum" / "bin" / "python"
PROGRAM = Path(__file__).parent / "tmforum_program.py"
SECONDS = 240  # it takes a few on a quiet machine


@pytest.mark.slow
async def test_the_client_tmforum_orders_files_reads_and_changes(
    federation: Federation, guangdong: Counter, record_property: Callable[[str, object], None]
) -> None:
    if not PYTHON.exists():
        reason = "tmforum is not installed in build/tmforum: `make tmforum` does it"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    number, web = await guangdong.new_customer(), web_caller(federation, guangdong.path)
    assert web.credentials is not None
    port = web.port_file.read_text("ascii").strip()
    said = {
        "address": f"https://{server_name(Role.ROLE_REGION, 'guangdong', FEDERATION)}:{port}/tmf-api",
        "authority": str(web.authority),
        "certificate": str(web.credentials.certificate),
        "key": str(web.credentials.key),
        "headers": CLERK,
        "key_prefix": federation.next_id(),
        "number": number,
    }

    def run() -> "subprocess.CompletedProcess[str]":
        command = [str(PYTHON), str(PROGRAM)]
        return subprocess.run(
            command, input=json.dumps(said), capture_output=True, text=True, timeout=SECONDS, check=False
        )

    ended = await to_thread(run)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    for each in told["calls"]:
        record_property(PROPERTY, str(Call(**each)))
    made = told["made"]
    order = await guangdong.get(made["id"])
    assert (order.request.number, order.state) == (number, OrderState.ORDER_STATE_COMPLETED)
    assert told["read"] == told["by_id"] == made
    assert told["listed"] == [made]
    assert made["relatedParty"][0]["partyOrPartyRole"]["id"] == "holder"
    assert (told["missing"]["code"], told["missing"]["status"]) == ("ORDER_NOT_FOUND", "404")
    assert told["refused"]["code"] == "BUSINESS_UNKNOWN"
    assert told["cancelled"]["status"] == "422"
    assert "rejected the object" not in ended.stderr, "the client takes an object of the node for none of its type"
    complaint = (await Complainant(federation, "guangdong").told(told["ticket"]["id"])).complaint
    assert (complaint.request.description, [each.text for each in complaint.notes]) == ("wrong bill", ["and before?"])
    assert told["noted"]["note"][-1]["text"] == "and before?"
    assert number in [each.get("phoneNumber") for each in told["customer"]["contactMedium"]]
