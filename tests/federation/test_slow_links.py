"""A node is reached over links that are slow."""

from collections.abc import Iterator

import pytest

from tests.faults.background import Background
from tests.faults.proxy import FaultProxy
from tests.federation.commands import as_caller, run_command
from tests.federation.running import Federation

ONE_WAY = 0.12  # seconds


@pytest.fixture(name="slow")
def slow_link(federation: Federation) -> Iterator[FaultProxy]:
    """A link to Guangdong's node on which everything is late."""
    background = Background()
    proxy = FaultProxy(background, lambda: federation.endpoint("guangdong"))
    proxy.delay(ONE_WAY)
    yield proxy
    proxy.close()
    background.close()


@pytest.mark.files  # nothing of it depends on the engine
async def test_a_node_proves_itself_to_a_command_over_a_link_that_takes_a_quarter_of_a_second(
    federation: Federation, slow: FaultProxy
) -> None:
    environment = as_caller(federation, "guangdong", "staff/chen", node=slow.endpoint)
    ended = await run_command("region_node.cli.main", "agreements", "list", environment=environment)
    assert (ended.code, ended.err) == (0, "")
    assert slow.most(lambda each: each.answers.passed) > 0
