"""How often a region may report what all regions share."""

import asyncio
import logging

import pytest

from coordinator.registry.reporting import Reports
from gateway.errors import Refused, is_temporary


def test_a_region_beyond_its_rate_is_asked_to_report_again_and_takes_nothing_from_another(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        reports = Reports("cases", 3)
        for _ in range(3):
            reports.require_room("henan")
        for _ in range(5):
            with pytest.raises(Refused) as refused:
                reports.require_room("henan")
            assert is_temporary(refused.value.reason), "versions of every age report it again"
        reports.require_room("sichuan")

    with caplog.at_level(logging.WARNING):
        asyncio.run(scenario())
    assert [each.message for each in caplog.records] == [
        "henan reports cases faster than the registry takes them from one region"
    ]
