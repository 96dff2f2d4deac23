"""An act of an administrator counts by their own signature, for what it says, where it says, and for a day."""

import contextlib
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from gateway.api.federation.v1.configuration_pb2 import Configuration, Region
from gateway.api.federation.v1.revision_pb2 import SignedAct
from gateway.api.region.v1.issue_oversight_service_pb2 import AppointIssueOwnerRequest
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.acts import VALID_FOR, ProvenAct, proven_act, signed_act
from gateway.federation.revisions import Chain, RevisionRefused
from gateway.security.signing import REVISION, Signer
from gateway.store.sqlite import SqliteTransaction
from gateway.time.agreed_clock import AgreedClock
from gateway.time.clock import BETWEEN_TRUSTED, SystemClock, to_microseconds
from region_node.node.context import RegionContext
from region_node.requests.administrators import acting, note_act, require_in_order
from tests.administrators import Administrators
from tests.empty_database import empty_database
from tests.unit.situations import NOW

FEDERATION, METHOD, REGION = "demo.example", "/region.IssueOversightService/AppointIssueOwner", "sichuan"
REQUEST = AppointIssueOwnerRequest(issue_id="guangdong/I1", owner_region="henan", reason="it has left")
SECOND = timedelta(seconds=1)


@pytest.fixture(name="people", scope="module")
def two_administrators(tmp_path_factory: pytest.TempPathFactory) -> Administrators:
    return Administrators(tmp_path_factory.mktemp("anchor"), FEDERATION)


def act(signer: Signer, federation: str = FEDERATION) -> SignedAct:
    return signed_act(signer, federation, METHOD, REGION, REQUEST, NOW)


def counts(
    signed: SignedAct, chain: Chain, method: str, region: str, request: AppointIssueOwnerRequest, when: datetime
) -> bool:
    with contextlib.suppress(RevisionRefused):
        proven_act(signed, chain, method, region, request, when)
        return True
    return False


def test_an_act_is_of_whom_has_signed_it_whatever_a_coordinator_adds(people: Administrators) -> None:
    brought = AppointIssueOwnerRequest(administrator="admin/root", version=7)
    brought.MergeFrom(REQUEST)
    brought.signed.CopyFrom(act(people.signers["wang"]))
    found = proven_act(brought.signed, Chain.of(people.anchor), METHOD, REGION, brought, NOW)
    assert (found.administrator, found.sign_time_us) == ("wang", to_microseconds(NOW))
    assert people.signers["wang"].public_key.hex() in found.proof
    assert brought.signed.signature.hex() in found.proof
    assert REQUEST.reason not in found.noted("owner henan")


def test_an_act_that_was_invented_changed_diverted_or_kept_back_counts_for_nothing(
    people: Administrators, tmp_path: Path
) -> None:
    chain, li = Chain.of(people.anchor), people.signers["li"]
    stranger = Administrators(tmp_path, FEDERATION).signers["li"]
    changed = AppointIssueOwnerRequest(issue_id="guangdong/I1", owner_region="guangdong", reason="it has left")
    good = act(li)
    other = SignedAct(act=good.act, key=good.key, signature=li.sign(REVISION, good.act))
    altered = SignedAct(act=good.act + b"\0", key=good.key, signature=good.signature)
    borrowed = SignedAct(act=good.act, key=people.signers["wang"].public_key, signature=good.signature)
    for case, signed, method, region, request, when in (
        ("by a stranger", act(stranger), METHOD, REGION, REQUEST, NOW),
        ("without anything", SignedAct(), METHOD, REGION, REQUEST, NOW),
        ("for another purpose", other, METHOD, REGION, REQUEST, NOW),
        ("altered", altered, METHOD, REGION, REQUEST, NOW),
        ("in the name of another", borrowed, METHOD, REGION, REQUEST, NOW),
        ("of another federation", act(li, "other.example"), METHOD, REGION, REQUEST, NOW),
        ("for another call", good, METHOD + "s", REGION, REQUEST, NOW),
        ("for another region", good, METHOD, "henan", REQUEST, NOW),
        ("for another record", good, METHOD, REGION, changed, NOW),
        ("kept back", good, METHOD, REGION, REQUEST, NOW + VALID_FOR + SECOND),
        ("of the future", good, METHOD, REGION, REQUEST, NOW - BETWEEN_TRUSTED - SECOND),
    ):
        assert not counts(signed, chain, method, region, request, when), case
    for when in (NOW + VALID_FOR, NOW - BETWEEN_TRUSTED):
        assert proven_act(good, chain, METHOD, REGION, REQUEST, when).administrator == "li"


def test_the_last_act_is_remembered_as_long_as_a_process_may_take_an_earlier_one() -> None:
    last, earlier = (ProvenAct("li", "", to_microseconds(each)) for each in (NOW, NOW - SECOND))
    with closing(empty_database("gateway", "region_node")) as connection:
        tx = SqliteTransaction(connection)
        note_act(tx, last, METHOD, "guangdong/I1", NOW)
        by_another_clock = NOW + VALID_FOR + BETWEEN_TRUSTED
        note_act(tx, last, METHOD, "guangdong/I2", by_another_clock)
        with pytest.raises(Refused, match="ADMINISTRATOR_ACT_UNPROVEN"):
            require_in_order(tx, earlier, METHOD, "guangdong/I1")
        note_act(tx, last, METHOD, "guangdong/I2", by_another_clock + SECOND)
        require_in_order(tx, earlier, METHOD, "guangdong/I1")


def test_who_is_no_administrator_any_more_does_nothing(people: Administrators, tmp_path: Path) -> None:
    chain, later = Chain.of(people.anchor), Administrators(tmp_path, FEDERATION, ("zhao",), 1)
    wanted = Configuration(federation=FEDERATION, regions=[Region(id=REGION)], administration=later.administration)
    signed = act(people.signers["li"])
    assert proven_act(signed, chain, METHOD, REGION, REQUEST, NOW).administrator == "li"
    after = chain.followed((people.signed(chain.place, wanted, NOW).revision,))
    with pytest.raises(RevisionRefused):
        proven_act(signed, after, METHOD, REGION, REQUEST, NOW)


def test_no_act_counts_by_a_clock_that_is_known_to_be_wrong(people: Administrators) -> None:
    clock = AgreedClock(SystemClock())
    clock.start_from(clock.wall() + VALID_FOR)
    current = SimpleNamespace(state=lambda: SimpleNamespace(chain=Chain.of(people.anchor)))
    context = SimpleNamespace(border=SimpleNamespace(clock=clock, current=current))
    brought = AppointIssueOwnerRequest(signed=act(people.signers["li"]))
    with pytest.raises(Refused) as refused:
        acting(cast("RegionContext", context), brought, NOW)
    assert refused.value.reason == Reason.REASON_CLOCK_UNTRUSTED
