"""Refused sharing: forged, expired, of another customer, without an agreement; and without leaks."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

import pytest
from google.protobuf.message import Message

from gateway.api.federation.v1.configuration_pb2 import Configuration, LegalBasis, SharedField
from gateway.api.region.v1 import sharing_service_pb2 as api
from gateway.api.region.v1.customer_service_pb2 import QueryProfileRequest
from gateway.api.region.v1.sharing_envelopes_pb2 import SharingQuery
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from gateway.api.types.v1.reason_pb2 import Reason
from tests.federation.archive import Archive
from tests.federation.counter import REQUESTER, Counter
from tests.federation.forger import Forger, refused
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, until
from tests.federation.sharing_counter import DECLINED, DUTY, FILE_NUMBER, HOLDER, NUMBER, ORDER, SharingCounter, masks
from tests.federation.test_catalogue_changes import put_in_force
from tests.federation.test_sharing import reason

SHARING = EnvelopeKind.ENVELOPE_KIND_SHARING
OUTDATED, IN_FORCE = api.GrantState.GRANT_STATE_OUTDATED, api.GrantState.GRANT_STATE_IN_FORCE


@pytest.fixture(name="south")
def counter_in_guangdong(federation: Federation) -> SharingCounter:
    return SharingCounter.of(federation, "guangdong")


def alike(message: Message) -> bytes:
    """An answer without its varying parts: the time, and the request's own values."""
    same = type(message)()
    same.CopyFrom(message)
    if isinstance(same, api.ReadSharedCustomerResponse):
        same.record.ClearField("read_time")
        for each in same.record.values:
            if each.field == NUMBER:
                each.texts[:] = [each.texts[0][:-4]]
    elif isinstance(same, api.GiveConsentResponse):
        same.Clear()
        same.grant_id = message.grant_id.rpartition("/")[0] if isinstance(message, api.GiveConsentResponse) else ""
    elif isinstance(same, api.WithdrawConsentResponse):
        same.ClearField("withdraw_time")
    return same.SerializeToString(deterministic=True)


Ask = Callable[[SharingCounter, str], Awaitable[Message]]


def reading(purpose: str, basis: str = "") -> Ask:
    """Reads for a purpose; by an order or a withdrawn paper where one is named."""

    async def ask(south: SharingCounter, number: str) -> Message:
        if basis == "order":
            return await south.ask(south.question(number, purpose, ORDER, order_id="guangdong/counter/none"))
        return await south.read(number, purpose)

    return ask


async def paper(south: SharingCounter, number: str) -> Message:
    """Records on paper that the customer declined."""
    return await south.give(south.decision(number, "guangdong", decision=DECLINED, paper="archive 1"))


async def invented_paper(south: SharingCounter, number: str) -> Message:
    """Records a consent on a paper that nobody has put on file: refused in the same way."""
    invented = south.decision(number, "guangdong", paper="guangdong/counter/invented")
    answer = await refusal(south.give(invented))
    assert (answer.reason, answer.parameters) == ("DOCUMENT_NOT_ON_FILE", {"document": invented.paper})
    return invented.requester


async def reused_paper(south: SharingCounter, number: str) -> Message:
    """Records a decision on paper, then another by the same id: refused in the same way."""
    first = south.decision(number, "guangdong", decision=DECLINED, paper="archive 1")
    await south.give(first)
    other = south.decision(number, "guangdong", decision=DECLINED, paper="archive 2", request_id=first.request_id)
    assert (await refusal(south.give(other))).reason == "REQUEST_ID_REUSED"
    return await south.give(first)


async def withdrawal(south: SharingCounter, number: str) -> Message:
    """Withdraws on paper."""
    return await south.withdraw(number, paper="archive 1")


@pytest.mark.parametrize(
    "ask",
    [
        reading("counter-service"),
        reading("installation"),
        reading("billing-enquiry"),
        reading("counter-service", "order"),
        reading("installation", "order"),
        paper,
        invented_paper,
        reused_paper,
        withdrawal,
    ],
)
async def test_to_a_stranger_a_number_that_nobody_has_is_like_any_other(
    federation: Federation, south: SharingCounter, sichuan: Counter, ask: Ask
) -> None:
    known = await sichuan.new_customer(name="张三丰", balance=4711, binding="family-7")
    unknown = federation.next_number("sichuan")
    assert alike(await ask(south, known)) == alike(await ask(south, unknown))


async def test_a_forged_code_is_no_consent_and_tells_nothing_of_the_number(
    federation: Federation, south: SharingCounter, sichuan: Counter
) -> None:
    numbers, request_id = (await sichuan.new_customer(), federation.next_number("sichuan")), federation.next_id()
    for number in numbers:
        documents = [south.counter.document("OTP")]
        forged = south.decision(number, "guangdong", documents=documents, request_id=request_id)
        answer = await refusal(south.give(forged))
        assert (answer.reason, answer.parameters) == ("NOT_VERIFIED", {"documents": "OTP"})
        listed = api.ListGrantsRequest(
            request_id=forged.request_id,
            number=number,
            applicant=HOLDER,
            documents=forged.documents,
            requester=REQUESTER,
        )
        assert (await refusal(south.stub.ListGrants(listed, timeout=CALL_SECONDS))).reason == "NOT_VERIFIED"
    rows = federation.database("guangdong").rows(
        "SELECT COUNT(*) FROM audit WHERE action = 'GiveConsent' AND detail LIKE ?",
        f"%{request_id}%NOT_VERIFIED",
    )
    assert rows == [(2,)], "each refusal is audited"
    assert masks(await south.read(numbers[0])) == {"NOT_GRANTED"}


async def test_what_one_customer_has_proved_is_no_consent_of_another(south: SharingCounter, sichuan: Counter) -> None:
    one, other, request_id = await sichuan.new_customer(), await sichuan.new_customer(), south.federation.next_id()
    documents = await south.verified(one, request_id)
    taken = south.decision(other, "guangdong", documents=documents, request_id=request_id)
    assert (await refusal(south.give(taken))).reason == "NOT_VERIFIED"
    again = south.decision(one, "guangdong", documents=documents)
    assert (await refusal(south.give(again))).reason == "NOT_VERIFIED", "for another request"
    assert masks(await south.read(other)) == {"NOT_GRANTED"}


async def test_the_grant_of_another_customer_or_region_opens_and_ends_nothing(
    federation: Federation, south: SharingCounter, sichuan: Counter
) -> None:
    one, other = await sichuan.new_customer(), await sichuan.new_customer()
    given = await south.consent(one, "guangdong")
    assert masks(await south.read(other)) == {"NOT_GRANTED"}
    assert masks(await SharingCounter.of(federation, "henan").read(one)) == {"NOT_GRANTED"}
    assert not (await south.withdraw(other, grant_id=given.grant_id)).grant_ids
    assert masks(await south.read(one)) == {"UNSPECIFIED"}


async def test_a_clock_beyond_the_end_of_a_grant_reads_nothing_by_it(
    federation: Federation, south: SharingCounter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    await south.consent(number, "guangdong", "installation", lasts=timedelta(minutes=30))
    assert masks(await south.read(number, "installation")) == {"UNSPECIFIED"}
    await federation.advance(timedelta(minutes=31))
    assert reason(await south.read(number, "installation")) == "SHARING_NOT_GRANTED"


@pytest.mark.parametrize("place", ["guangdong", "sichuan"])
async def test_each_wrong_question_is_refused_with_its_reason(
    federation: Federation, sichuan: Counter, place: str
) -> None:
    counter, number = SharingCounter.of(federation, place), await sichuan.new_customer()
    wrong = {
        "PURPOSE_UNKNOWN": counter.question(number, "curiosity"),
        "SHARING_NOT_ALLOWED": counter.question(number, "retention-offer", ORDER, order_id="O1"),
        "LEGAL_DUTY_BY_STAFF_ALONE": counter.question(number, "fraud-investigation", DUTY, reference=FILE_NUMBER),
        "NUMBER_INVALID": counter.question("no number"),
        "NUMBER_UNRESOLVED": counter.question(federation.next_number("")),
    }
    for expected, question in wrong.items():
        assert (await refusal(counter.ask(question))).reason == expected
        rows = federation.database(place).rows(
            "SELECT COUNT(*) FROM audit WHERE action = 'ReadSharedCustomer' AND detail LIKE ?",
            f"%{question.request_id}: {expected}",
        )
        assert rows == [(1,)], "each is audited"
    for field, question in {
        "fields": counter.question(number, fields=[SharedField.SHARED_FIELD_BALANCE]),
        "legal_basis": counter.question(number, basis=LegalBasis.LEGAL_BASIS_UNSPECIFIED),
        "order_id": counter.question(number, basis=ORDER),
        "reference": counter.question(number, reference=FILE_NUMBER),
        "purpose": counter.question(number, ""),
    }.items():
        answer = await refusal(counter.ask(question))
        assert (answer.reason, answer.parameters["field"]) == ("REQUEST_INVALID", field)


@pytest.mark.parametrize("place", ["guangdong", "sichuan"])
@pytest.mark.clause("7.2(2)")
async def test_staff_read_by_no_order_and_by_a_duty_of_law_where_the_purpose_rests_on_one_and_it_is_named(
    federation: Federation, sichuan: Counter, place: str
) -> None:
    staff, number = SharingCounter.of(federation, place).by_staff(), await sichuan.new_customer()
    fraud = "fraud-investigation"
    for expected, question in {
        "LEGAL_DUTY_BY_STAFF_ALONE": staff.question(number, basis=ORDER, order_id="O1"),
        "SHARING_NOT_ALLOWED": staff.question(number, "counter-service", DUTY, reference=FILE_NUMBER),
        "REQUEST_INVALID": staff.question(number, fraud, DUTY, reference="because the police rang"),
    }.items():
        assert (await refusal(staff.ask(question))).reason == expected
    for reference in ("", "file 1", "粤公网查2026-17", f"{FILE_NUMBER} 张三丰", "查" * 21 + "〔2026〕17号"):
        answer = await refusal(staff.ask(staff.question(number, fraud, DUTY, reference=reference)))
        assert (answer.reason, answer.parameters["field"]) == ("REQUEST_INVALID", "reference"), reference
    for reference in ("粤公(网)查字[2026]第17号", "GD-FRAUD(2026)17"):
        read = await staff.ask_by_two(staff.question(number, fraud, DUTY, reference=reference))
        assert masks(read) == {"UNSPECIFIED"}


async def test_the_home_region_takes_a_duty_of_law_only_from_whom_the_asking_region_let_in_as_staff(
    federation: Federation, south: SharingCounter, sichuan: Counter
) -> None:
    question = south.question(await sichuan.new_customer(), "fraud-investigation", DUTY, reference=FILE_NUMBER)
    region = Forger(federation, "guangdong")
    query = SharingQuery(subject=f"guangdong/counter/{question.request_id}", read=question)
    sealed = region.seal("sichuan", SHARING, query, "ReadSharedCustomer")
    assert refused(await region.deliver(sealed, "sichuan")) == "LEGAL_DUTY_BY_STAFF_ALONE"


async def test_a_consent_on_paper_needs_a_paper_of_that_customer_that_the_same_region_has_put_on_file(
    federation: Federation, south: SharingCounter, sichuan: Counter
) -> None:
    number, other, henan = await sichuan.new_customer(), await sichuan.new_customer(), Counter(federation, "henan")
    wrong = {
        "of another customer": await south.sign(other),
        "of another region": await SharingCounter(henan).sign(number),
        "no consent": await Archive(south.counter).put(number),
        "of nobody": "guangdong/counter/none",
    }
    for document_id in wrong.values():
        answer = await refusal(south.give(south.decision(number, "guangdong", paper=document_id)))
        assert (answer.reason, answer.parameters) == ("DOCUMENT_NOT_ON_FILE", {"document": document_id})
    answer = await refusal(south.give(south.decision(number, "guangdong", paper="archive 2026-44")))
    assert (answer.reason, answer.parameters["field"]) == ("REQUEST_INVALID", "paper")
    assert masks(await south.read(number)) == {"NOT_GRANTED"}


async def test_a_paper_is_the_ground_of_one_consent_and_brings_none_back(
    south: SharingCounter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    paper = await south.sign(number)
    first = south.decision(number, "guangdong", paper=paper)
    assert await south.give(first) == await south.give(first), "a repeat does nothing twice"
    await south.withdraw(number)
    for reader in ("guangdong", "henan"):
        answer = await refusal(south.give(south.decision(number, reader, paper=paper)))
        assert (answer.reason, answer.parameters) == ("CONSENT_PAPER_USED", {"document": paper})
    assert masks(await south.read(number)) == {"WITHDRAWN"}


async def test_a_paper_that_was_found_false_is_no_consent(south: SharingCounter, sichuan: Counter) -> None:
    number, home = await sichuan.new_customer(), Archive(sichuan)
    paper = await south.sign(number)
    await Archive(south.counter).withdraw(paper)

    async def is_withdrawn() -> bool:
        (listed,) = await home.list(number)
        return listed.HasField("withdraw_time")

    await until(is_withdrawn, "the home region knows")
    answer = await refusal(south.give(south.decision(number, "guangdong", paper=paper)))
    assert answer.reason == "DOCUMENT_WITHDRAWN"


@pytest.mark.clause("7.4(1)")
async def test_a_consent_opens_nothing_once_the_purpose_or_the_reader_is_another(
    federation: Federation, south: SharingCounter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer(name="张三丰")
    await south.consent(number, "guangdong")
    await south.consent(number, "guangdong", "complaint-handling")
    before = await federation.configuration()
    try:
        await put_in_force(federation, with_more_fields(before, "counter-service"))
        answer = await south.read(number)
        assert reason(answer) == "SHARING_CONSENT_OUTDATED"
        assert "counter-service" in answer.refusal.message.en
        assert masks(await south.read(number, "complaint-handling")) == {"UNSPECIFIED"}, "of another purpose"
        states = {each.purpose: each.state for each in await south.grants(number)}
        assert states == {"counter-service": OUTDATED, "complaint-handling": IN_FORCE}
        await south.consent(number, "guangdong")
        assert masks(await south.read(number)) == {"UNSPECIFIED"}
        await put_in_force(federation, with_another_owner(before, "guangdong"))
        assert reason(await south.read(number, "complaint-handling")) == "SHARING_CONSENT_OUTDATED"
    finally:
        await put_in_force(federation, before)
    assert reason(await south.read(number)) == "SHARING_CONSENT_OUTDATED"


def with_more_fields(configuration: Configuration, purpose: str) -> Configuration:
    """A configuration in which a purpose may see more."""
    changed = Configuration()
    changed.CopyFrom(configuration)
    next(each for each in changed.purposes if each.name == purpose).fields.append(SharedField.SHARED_FIELD_EMAIL)
    return changed


def with_another_owner(configuration: Configuration, region: str) -> Configuration:
    """A configuration in which a region is run by another company."""
    changed = Configuration()
    changed.CopyFrom(configuration)
    next(each for each in changed.regions if each.id == region).name.zh_cn = "新粤"
    return changed


@pytest.mark.parametrize("place", ["guangdong", "sichuan"])
async def test_each_wrong_decision_is_refused_with_its_reason(
    federation: Federation, sichuan: Counter, place: str
) -> None:
    counter, number, now = SharingCounter.of(federation, place), await sichuan.new_customer(), federation.clock.now()
    paper = f"{place}/counter/none"
    for expected, request in {
        "PURPOSE_UNKNOWN": counter.decision(number, "guangdong", "curiosity", paper=paper),
        "SHARING_NOT_ALLOWED": counter.decision(number, "guangdong", "billing-enquiry", paper=paper),
        "REGION_UNKNOWN": counter.decision(number, "atlantis", paper=paper),
    }.items():
        assert (await refusal(counter.give(request))).reason == expected
    undecided = api.ConsentDecision.CONSENT_DECISION_UNSPECIFIED
    no_decision = counter.decision(number, "guangdong", decision=undecided, paper=paper)
    both = counter.decision(number, "guangdong", paper=paper, documents=[counter.counter.document("OTP")])
    alone = counter.decision(number, "guangdong", paper=paper)
    alone.requester.staff_id = "self-service"
    for field, request in {
        "reader": counter.decision(number, "sichuan", paper=paper),
        "decision": no_decision,
        "documents": both,
        "requester.staff_id": alone,
        "end_time": counter.decision(number, "guangdong", paper=paper, end=now + timedelta(days=400)),
        "fields": counter.decision(number, "guangdong", paper=paper, fields=[SharedField.SHARED_FIELD_BALANCE]),
    }.items():
        answer = await refusal(counter.give(request))
        assert (answer.reason, answer.parameters["field"]) == ("REQUEST_INVALID", field)
    late = counter.decision(number, "guangdong", paper=paper, end=now - timedelta(days=1))
    assert (await refusal(counter.give(late))).parameters["field"] == "end_time"


async def test_a_region_asks_for_its_own_requests_alone(
    federation: Federation, south: SharingCounter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer(name="张三丰")
    await south.consent(number, "guangdong")
    question = south.question(number)
    henan = Forger(federation, "henan")
    for subject in (f"guangdong/counter/{question.request_id}", "henan/counter/another"):
        forged = henan.seal("sichuan", SHARING, SharingQuery(subject=subject, read=question), "ReadSharedCustomer")
        assert refused(await henan.deliver(forged, "sichuan")) == "ENVELOPE_INVALID"
    own = Forger(federation, "guangdong")
    query = SharingQuery(subject=f"guangdong/counter/{question.request_id}", read=question)
    result = await own.deliver(own.seal("sichuan", SHARING, query, "ReadSharedCustomer"), "sichuan")
    assert "张三丰".encode() in own.opened(result)
    nothing = own.seal("sichuan", SHARING, SharingQuery(subject="guangdong/counter/"), "ReadSharedCustomer")
    assert refused(await own.deliver(nothing, "sichuan")) == "ENVELOPE_INVALID"


def without_agreement(configuration: Configuration, region: str) -> Configuration:
    """A configuration in which a region's agreement has ended."""
    changed = Configuration()
    changed.CopyFrom(configuration)
    next(each for each in changed.regions if each.id == region).data_agreement.last_date = "2021-11-02"
    return changed


@pytest.mark.parametrize("region", ["guangdong", "sichuan"])
@pytest.mark.clause("7.1(4)")
async def test_a_region_without_a_data_agreement_is_denied_as_asker_and_as_giver(
    federation: Federation, south: SharingCounter, sichuan: Counter, region: str
) -> None:
    number, unknown = await sichuan.new_customer(), federation.next_number("sichuan")
    await south.consent(number, "guangdong")
    before = await federation.configuration()
    try:
        await put_in_force(federation, without_agreement(before, region))
        answers = [await south.read(each) for each in (number, unknown)]
        assert [reason(each) for each in answers] == ["DATA_AGREEMENT_MISSING"] * 2
        assert answers[0] == answers[1]
        past_its_own_node = Forger(federation, "guangdong")
        question = south.question(number)
        query = SharingQuery(subject=f"guangdong/counter/{question.request_id}", read=question)
        result = await past_its_own_node.deliver(
            past_its_own_node.seal("sichuan", SHARING, query, "ReadSharedCustomer"), "sichuan"
        )
        opened = past_its_own_node.opened(result)
        assert reason(api.ReadSharedCustomerResponse.FromString(opened)) == "DATA_AGREEMENT_MISSING"
        told_so = await refusal(south.give(south.decision(number, "guangdong", paper="guangdong/counter/none")))
        assert (told_so.reason, told_so.parameters) == ("DATA_AGREEMENT_MISSING", {"region": region})
        await south.withdraw(number)
    finally:
        await put_in_force(federation, before)
    assert masks(await south.read(number)) == {"WITHDRAWN"}, "it could be withdrawn all the time"


@pytest.mark.parametrize("region", ["guangdong", "sichuan"])
async def test_without_a_data_agreement_neither_bill_nor_profile_is_told_and_the_denial_is_audited(
    federation: Federation, guangdong: Counter, sichuan: Counter, region: str
) -> None:
    number, unknown = await sichuan.new_customer(), federation.next_number("sichuan")
    before = await federation.configuration()

    async def refusals() -> list[tuple[str, Mapping[str, str]]]:
        profile = QueryProfileRequest(
            request_id=federation.next_id(), number=number, applicant=HOLDER, requester=REQUESTER
        )
        calls: list[Awaitable[object]] = [
            guangdong.bill(number),
            guangdong.bill(unknown),
            guangdong.customers.QueryProfile(profile, timeout=CALL_SECONDS),
        ]
        found = [await refusal(each) for each in calls]
        return [(each.reason, each.parameters) for each in found]

    try:
        await put_in_force(federation, without_agreement(before, region))
        assert await refusals() == [("DATA_AGREEMENT_MISSING", {"region": region})] * 3
        assert (await sichuan.bill(number)).region == "sichuan", "at home it is nobody else's business"
    finally:
        await put_in_force(federation, before)
    denied = federation.database("sichuan").rows(
        "SELECT action, actor FROM audit WHERE subject = ? AND detail LIKE ? ORDER BY action",
        f"customer-{number.removeprefix('+')}",
        "%DATA_AGREEMENT_MISSING",
    )
    asker = "region/guangdong/operator/counter"
    assert denied == [("QueryBill", asker), ("QueryProfile", asker)]
    seen = await SharingCounter.of(federation, "sichuan").disclosures(number)
    assert {each.refused for each in seen} == {Reason.REASON_DATA_AGREEMENT_MISSING}
    assert len(seen) == 2
    assert (await guangdong.bill(number)).region == "sichuan"
