"""The commands, as people run them, against a federation that runs in this process."""

import asyncio
import re
from collections.abc import Mapping

from tests import preloaded
from tests.federation.certificates import FEDERATION
from tests.federation.running import Federation
from tests.preloaded import Ended


async def run_command(module: str, *arguments: str, environment: Mapping[str, str], typed: str = "") -> Ended:
    """Runs a command to its end, with `typed` on its standard input, beside the event loop."""
    return await asyncio.to_thread(preloaded.run, module, *arguments, environment=environment, typed=typed)


def as_caller(federation: Federation, region: str, who: str, *, node: str = "", language: str = "en") -> dict[str, str]:
    """The environment of a command as a caller of the region, such as `operator/counter`.

    `node` is another endpoint of the node.
    """
    return {
        "CROSSREGION_NODE": node or federation.endpoint(region),
        "CROSSREGION_CREDENTIALS": _credentials(federation, f"region/{region}/{who}"),
        "CROSSREGION_FEDERATION": FEDERATION,
        "CROSSREGION_REGION": region,
        "CROSSREGION_LANG": language,
    }


async def confirmed_by_command(federation: Federation, region: str, waiting: tuple[int, str], *words: str) -> None:
    """Confirms, as a second member of staff, the act for which a command has ended with a code and a text."""
    code, said = waiting
    found = re.search(r"approval-\d+", said)
    assert code == 1, said
    assert "APPROVAL_AWAITED" in said
    assert found is not None, said
    environment = as_caller(federation, region, "staff/zhao")
    command = ("region_node.cli.main", "approvals", "confirm", found[0], *words)
    ended = await run_command(*command, environment=environment)
    assert ended.code == 0, ended


def as_administrator(federation: Federation) -> dict[str, str]:
    """How the commands reach the coordinator as an administrator."""
    return {
        "CROSSREGION_COORDINATOR": federation.coordinator_endpoint,
        "CROSSREGION_CREDENTIALS": _credentials(federation, "admin/root"),
        "CROSSREGION_FEDERATION": FEDERATION,
    }


def _credentials(federation: Federation, identity: str) -> str:
    return str(federation.certificates.credentials(identity).certificate.parent)
