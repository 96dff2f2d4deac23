"""The page of the configuration's history: the revisions that it compares, their changes and signers."""

import pytest
from google.protobuf.message import Message

from coordinator.console.console import console
from coordinator.console.revisions import VIEW
from gateway.api.coordinator.v1.administration_pb2 import CompareRevisionsRequest, CompareRevisionsResponse
from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.security.identity import Identity
from gateway.time.clock import SystemClock
from gateway.web.console.lists import ListPage
from gateway.web.console.pages import Rpc
from tests.unit.console_pages import Answering, M, shown_by, visit
from tests.unit.joint_answers import revisions

CONSOLE = console(SystemClock())
ADMIN = Identity("crossregion.example", Role.ROLE_ADMIN, "", "root")


def test_a_page_compares_the_newest_revision_with_the_one_before_unless_others_are_chosen() -> None:
    answers = revisions()
    for query, chosen in (("", "2 3"), ("from=1", "1 3"), ("to=2", "1 2"), ("to=1", "1 1"), ("from=3&to=1", "3 1")):
        shown = shown_by(CONSOLE, VIEW, visit(query, ADMIN), Answering(*answers))
        assert isinstance(shown.page, ListPage)
        assert " ".join(each.chosen for each in shown.page.choices) == chosen, query
        assert [each for each in shown.notes if "1,200" in each], query
    with pytest.raises(Refused, match="to"):
        shown_by(CONSOLE, VIEW, visit("to=4", ADMIN), Answering(*answers))
    assert not shown_by(CONSOLE, VIEW, visit("", ADMIN), Answering()).tables[0].rows


def test_a_history_shows_who_has_signed_each_revision_and_nothing_of_what_a_former_coordinator_leaves_out() -> None:
    held, compared = revisions()
    signed, shown = shown_by(CONSOLE, VIEW, visit("", ADMIN), Answering(held, compared)).tables[0].rows, list[str]()
    times = ["2026-11-24 12:00 +00:00", "2026-11-26 12:00 +00:00", "2027-11-24 12:00 +00:00"]
    assert [each.text for each in signed[0]][1:] == [*times, "2/2：li、wang", "ab" * 32]
    assert signed[0][0].href.endswith("?to=3")
    del compared.revisions[:]
    for row in shown_by(CONSOLE, VIEW, visit("from=1", ADMIN), Answering(held, compared)).tables[0].rows:
        shown.append(" ".join(each.text for each in row))
    assert shown == ["3 – – – – –", "1 – – – – –"]


class Anchored(Answering):
    """A registry that began with the third revision."""

    async def ask(self, rpc: Rpc[M], request: Message) -> M:
        if isinstance(request, CompareRevisionsRequest) and request.from_revision < 3:
            raise invalid("from_revision", "no such revision was in force", "没有该版本的配置")
        return await super().ask(rpc, request)


def test_a_registry_that_began_from_a_later_anchor_compares_its_first_revision_with_itself() -> None:
    shown = shown_by(CONSOLE, VIEW, visit("", ADMIN), Anchored(*revisions()))
    assert isinstance(shown.page, ListPage)
    assert [each.chosen for each in shown.page.choices] == ["3", "3"]
    assert not [each for each in shown.notes if "没有该版本的配置" in each]
    assert shown.page.above, "it has those who signed"


def test_other_refusals_of_a_comparison_are_shown_and_the_comparison_is_not_repeated() -> None:
    class Busy(Answering):
        asked = 0

        async def ask(self, rpc: Rpc[M], request: Message) -> M:
            if rpc.answer is CompareRevisionsResponse:
                self.asked += 1
                raise Refused(Reason.REASON_TOO_BUSY)
            return await super().ask(rpc, request)

    busy = Busy(*revisions())
    assert shown_by(CONSOLE, VIEW, visit("", ADMIN), busy).notes
    assert busy.asked == 1


def test_a_page_offers_other_revisions_where_one_is_not_in_the_registry() -> None:
    shown = shown_by(CONSOLE, VIEW, visit("from=2", ADMIN), Anchored(*revisions()))
    assert isinstance(shown.page, ListPage)
    assert [each.chosen for each in shown.page.choices] == ["2", "3"]
    assert not shown.page.above, "nobody knows who has signed them"
    assert ["没有该版本的配置" in each for each in shown.notes] == [True]
