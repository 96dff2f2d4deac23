"""Whether a proposal ever came into force, as a coordinator can know it, and what an administrator reads who asks."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar, cast

import grpc
import pytest
from google.protobuf.message import Message

import coordinator
from coordinator.cli.connection import Connection
from coordinator.cli.federation.in_force import came_into_force, require_was_in_force
from gateway.api.coordinator.v1.administration_pb2 import (
    CompareRevisionsRequest,
    CompareRevisionsResponse,
    ConfigurationRevision,
    GetConfigurationResponse,
)
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.revision_pb2 import Anchor, ProposedRevision
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.cli.exits import NotDone
from gateway.errors import Refused, invalid
from gateway.federation.revisions import digest
from gateway.wording.languages import for_reader
from tests.administrators import Administrators
from tests.contract.registries import NOW

T = TypeVar("T")
TEXTS = Path(coordinator.__file__).parent / "texts"
OTHER = b"\x05" * 32
NO_SUCH = invalid("from_revision", "no such revision was in force", "没有该版本的配置")


class Answering:
    """A connection to a coordinator that says which statement the sixth revision follows, or refuses."""

    def __init__(self, revision: int, told: bytes | Refused | None) -> None:
        self.now = GetConfigurationResponse(place=Anchor(revision=revision, digest=b"\x09" * 32))
        self._told = told

    def ask(self, question: Callable[[grpc.aio.Channel], Awaitable[T]]) -> T:
        async def asked() -> T:
            async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
                return await question(channel)

        return asyncio.run(asked())

    async def invoke(self, _: object, request: Message, __: float) -> Message:
        if not isinstance(request, CompareRevisionsRequest):
            return self.now
        assert (request.from_revision, request.to_revision) == (6, 6)
        if isinstance(self._told, Refused):
            raise self._told
        if self._told is None:
            return CompareRevisionsResponse()
        return CompareRevisionsResponse(
            revisions=[ConfigurationRevision(federation_revision=6, previous_digest=self._told)]
        )


@pytest.fixture(name="proposed")
def proposal_of_the_fifth_revision(tmp_path: Path) -> ProposedRevision:
    people = Administrators(tmp_path, "crossregion.example")
    place = Anchor(federation="crossregion.example", revision=4, digest=b"\x04" * 32)
    signed = people.signed(place, Configuration(), NOW)
    return ProposedRevision(revision=signed.revision, configuration=signed.content, previous=place)


def was_in_force(monkeypatch: pytest.MonkeyPatch, proposed: ProposedRevision, at: Answering) -> bool | None:
    monkeypatch.setattr("coordinator.cli.federation.in_force.invoke", at.invoke)
    return came_into_force(cast("Connection", at), proposed, at.now)


def test_a_later_statement_says_whether_the_proposal_before_it_came_into_force(
    monkeypatch: pytest.MonkeyPatch, proposed: ProposedRevision
) -> None:
    own = digest(proposed.revision.statement)
    assert was_in_force(monkeypatch, proposed, Answering(7, own)) is True
    assert was_in_force(monkeypatch, proposed, Answering(7, OTHER)) is False
    assert was_in_force(monkeypatch, proposed, Answering(5, NO_SUCH)) is False, "another one is the fifth revision"


@pytest.mark.parametrize("told", [NO_SUCH, b"", None], ids=["no revision", "no statement", "former coordinator"])
def test_a_coordinator_whose_signed_revisions_begin_later_does_not_know_it(
    monkeypatch: pytest.MonkeyPatch, proposed: ProposedRevision, told: bytes | Refused | None
) -> None:
    assert was_in_force(monkeypatch, proposed, Answering(7, told)) is None


def test_another_refusal_is_no_answer(monkeypatch: pytest.MonkeyPatch, proposed: ProposedRevision) -> None:
    with pytest.raises(Refused, match="TOO_BUSY"):
        was_in_force(monkeypatch, proposed, Answering(7, Refused(Reason.REASON_TOO_BUSY)))


@pytest.mark.parametrize(
    ("language", "told", "words"),
    [
        ("en", NO_SUCH, "was ever in force is unknown"),
        ("zh", NO_SUCH, "是否生效过无从得知"),
        ("en", OTHER, "is not in force"),
        ("zh", OTHER, "未生效"),
    ],
    ids=["unknown", "unknown in Chinese", "never", "never in Chinese"],
)
def test_an_approved_region_is_left_as_it_is_where_its_proposal_did_not_come_into_force_or_may_not_have(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    proposed: ProposedRevision,
    language: str,
    told: bytes | Refused,
    words: str,
) -> None:
    file, at = tmp_path / "revision.bin", Answering(7, told)
    file.write_bytes(proposed.SerializeToString())
    monkeypatch.setattr("coordinator.cli.federation.in_force.invoke", at.invoke)
    with for_reader(language, TEXTS), pytest.raises(NotDone) as ended:
        require_was_in_force(cast("Connection", at), file)
    assert words in str(ended.value.format_message())
