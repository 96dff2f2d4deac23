"""`region-node surveys campaign` tells what it began: the invitations follow page by page."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.api.region.v1.survey_service_pb2 import StartSurveyCampaignResponse
from region_node.cli.connection import Target
from region_node.cli.surveys.surveys import campaign
from tests.unit.test_new_noun import NODE, Node


def test_a_campaign_says_whom_it_invites_and_where_they_are_counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    @asynccontextmanager
    async def channel(_: Target) -> AsyncIterator[Node]:
        yield Node([StartSurveyCampaignResponse()])

    monkeypatch.setattr(Target, "channel", channel)
    words = ["spring-2027", "--percent", "2", *NODE, "--credentials", str(tmp_path)]
    told = CliRunner().invoke(campaign, words)
    assert told.exit_code == 0, told.output
    assert "spring-2027 invites 2 % of the customers" in told.stdout
    assert "`region-node surveys results`" in told.stdout
