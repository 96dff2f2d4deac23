"""Agreements across regions: outages of several regions, one statement of the month, one credit at home."""

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.api.region.v1 import agreement_service_pb2 as api
from gateway.api.region.v1 import measurement_service_pb2 as measurement_api
from gateway.api.region.v1.agreement_pb2 import OutageCause, PartOutage, ServiceConformance, ServiceOutage
from gateway.api.region.v1.agreement_pb2 import StatementLineKind as Kind
from gateway.api.region.v1.outage_envelopes_pb2 import ConformanceTold, OutageTold, PartOutageTold
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind, Outcome, ReceiptContent
from gateway.time.clock import to_timestamp
from tests.federation.agreements import CHARGE, OPERATOR, SERVICE, Agreements, month_of
from tests.federation.counter import REQUESTER, Counter
from tests.federation.databases import Databases
from tests.federation.forger import Forger, refused
from tests.federation.probe import Probe, rejected
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, running, until

HOUR = timedelta(hours=1)
ACCEPTED = Outcome.OUTCOME_ACCEPTED


@pytest.mark.clause("5.2.3")
async def test_outages_of_two_regions_are_one_credit_at_home_and_a_late_one_posts_the_difference(
    databases: Databases, tmp_path: Path
) -> None:
    async with running(tmp_path, databases) as federation:
        home, counter = Agreements(federation, "guangdong"), Counter(federation, "guangdong")
        sichuan, henan = Agreements(federation, "sichuan"), Agreements(federation, "henan")
        number = await counter.new_customer(balance=0)
        agreement = await home.make(number)
        month = month_of(federation)
        await federation.advance(timedelta(days=3))
        begins = federation.clock.now() - timedelta(days=2)
        for outage in (await sichuan.note(begins, HOUR), await henan.note(begins + HOUR / 2, HOUR)):
            await home.knows(outage)
        await federation.advance(timedelta(days=29))
        first = await home.has_stated(agreement, month)
        assert timedelta(microseconds=first.downtime_us) == 1.5 * HOUR
        kinds = [each.kind for each in first.lines]
        assert (kinds.count(Kind.STATEMENT_LINE_KIND_OUTAGE), kinds.count(Kind.STATEMENT_LINE_KIND_OVERLAP)) == (2, 1)
        assert {each.source.partition("/")[0] for each in first.lines if each.source} == {"sichuan", "henan"}
        (charge,) = (each.amount.minor_units for each in first.lines if each.kind == Kind.STATEMENT_LINE_KIND_CHARGE)
        assert CHARGE / 2 < charge < CHARGE, "of a month from the tenth on"
        assert first.credit.minor_units == (charge * 5 * 2 + 100) // 200
        assert home.postings(agreement) == [(f"{agreement.id}/{month}#credit", first.credit.minor_units)]
        database = federation.database("guangdong")
        told = "SELECT COUNT(*) FROM notices WHERE kind = 'service-credit' AND number = ?"
        assert database.rows(told, database.index_of(number)) == [(1,)]

        late = await henan.note(begins + 5 * HOUR, 10 * HOUR)  # noted when the month has long been stated
        second = await home.has_stated(agreement, month, 2)
        await home.knows(late)
        assert second.credit.minor_units == (charge * 20 * 2 + 100) // 200
        assert second.posted.minor_units == second.credit.minor_units - first.credit.minor_units
        correction = (f"{agreement.id}/{month}#correction-2", second.posted.minor_units)
        assert home.postings(agreement) == [(f"{agreement.id}/{month}#credit", first.credit.minor_units), correction]
        assert await home.statement(agreement, month, 1) == first
        bill = await counter.bill(number)
        told_on_bill = [each.description.en for each in bill.lines if "level" in each.description.en]
        assert told_on_bill == ["Credit under a service level agreement", "Correction of a service level credit"]


async def test_what_the_region_that_runs_a_service_measured_counts_at_every_home_once_the_month_is_over(
    databases: Databases, tmp_path: Path
) -> None:
    async with running(tmp_path, databases) as federation:
        home, number = Agreements(federation, "guangdong"), await Counter(federation, "guangdong").new_customer()
        agreement, month = await home.make(number), month_of(federation)
        await federation.advance(timedelta(days=1))
        begins = federation.clock.now().replace(minute=0, second=0, microsecond=0) - 5 * HOUR
        probe = Probe(federation, "sichuan", federation.next_id())
        delays = (10_000, 10_000, 10_000, 900_000)
        told = [
            measurement_api.Measurement(
                service=SERVICE, start_time=to_timestamp(begins + at * HOUR), window_seconds=60, delay_us=delay
            )
            for at, delay in enumerate(delays)
        ]
        assert rejected(await probe.send(told)) == []
        await federation.advance(timedelta(days=32))
        known = "SELECT windows, kept, version FROM service_conformance WHERE service = ? AND month = ?"
        for region in ("sichuan", "henan", "guangdong"):

            async def knows(region: str = region) -> bool:
                return federation.database(region).rows(known, SERVICE, month) == [(4, 3, 1)]

            await until(knows, f"{region} knows")

        async def counts() -> bool:
            return (await home.statement(agreement, month)).measured_windows == len(delays)

        await home.has_stated(agreement, month)
        await until(counts, "the statement counts it")
        stated = await home.statement(agreement, month)
        assert (stated.kept_windows, stated.credit.minor_units > 0) == (3, True)


async def test_an_agreement_is_made_once_listed_and_ended(federation: Federation) -> None:
    home, counter = Agreements(federation, "guangdong"), Counter(federation, "guangdong")
    number = await counter.new_customer()
    request = api.CreateAgreementRequest(
        request_id=federation.next_id(), number=number, service=SERVICE, template="leased-line"
    )
    made = (await home.node.CreateAgreement(request, timeout=CALL_SECONDS)).agreement
    assert (made.staff_id, made.monthly_charge.currency) == ("chen", "CNY")
    assert made.monthly_charge.minor_units > 0, "the rent of the plan"
    assert (await home.node.CreateAgreement(request, timeout=CALL_SECONDS)).agreement == made
    again = api.CreateAgreementRequest(
        request_id=federation.next_id(), number=number, service=SERVICE, template="leased-line"
    )
    assert (await refusal(home.node.CreateAgreement(again, timeout=CALL_SECONDS))).reason == "AGREEMENT_EXISTS"
    listing = api.ListAgreementsRequest(number=number)
    assert list((await home.node.ListAgreements(listing, timeout=CALL_SECONDS)).agreements) == [made]
    getting = api.GetAgreementRequest(agreement_id=made.id, requester=REQUESTER)
    assert (await home.node.GetAgreement(getting, timeout=CALL_SECONDS)).agreement == made
    ending = api.EndAgreementRequest(request_id=federation.next_id(), agreement_id=made.id)
    ended = (await home.node.EndAgreement(ending, timeout=CALL_SECONDS)).agreement
    assert ended.HasField("end_time")
    assert (await home.node.EndAgreement(ending, timeout=CALL_SECONDS)).agreement == ended
    ending.request_id = federation.next_id()
    assert (await refusal(home.node.EndAgreement(ending, timeout=CALL_SECONDS))).reason == "AGREEMENT_ENDED"
    assert (await home.node.CreateAgreement(again, timeout=CALL_SECONDS)).agreement.id != made.id


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"service": "none"}, "NETWORK_SERVICE_UNKNOWN"),
        ({"template": "none"}, "AGREEMENT_TEMPLATE_UNKNOWN"),
        ({"number": "of another region"}, "SUBSCRIPTION_NOT_FOUND"),
        ({"start_time": -40}, "REQUEST_INVALID"),
        ({"monthly_charge": -1}, "REQUEST_INVALID"),
    ],
)
async def test_an_agreement_that_cannot_be_is_refused(
    federation: Federation, guangdong: Counter, sichuan: Counter, changes: dict[str, str | int], reason: str
) -> None:
    request = api.CreateAgreementRequest(
        request_id=federation.next_id(), number=await guangdong.new_customer(), service=SERVICE, template="leased-line"
    )
    for name, value in changes.items():
        if name == "number":
            request.number = await sichuan.new_customer()
        elif name == "start_time":
            request.start_time.CopyFrom(to_timestamp(federation.clock.now() + timedelta(days=int(value))))
        elif name == "monthly_charge":
            request.monthly_charge.minor_units = int(value)
        else:
            setattr(request, name, value)
    node = Agreements(federation, "guangdong").node
    assert (await refusal(node.CreateAgreement(request, timeout=CALL_SECONDS))).reason == reason


async def test_a_region_notes_outages_of_its_own_network_alone_and_with_a_past(federation: Federation) -> None:
    begins = federation.clock.now() - 2 * HOUR
    guangdong, sichuan = Agreements(federation, "guangdong"), Agreements(federation, "sichuan")
    noting = guangdong.node.NoteOutage(guangdong.noting(begins, HOUR), timeout=CALL_SECONDS)
    assert (await refusal(noting)).reason == "NETWORK_NOT_OF_REGION"
    for wrong in (
        sichuan.noting(begins, 5 * HOUR),
        sichuan.noting(begins, -HOUR),
        sichuan.noting(begins, HOUR, OutageCause.OUTAGE_CAUSE_PLANNED),
        sichuan.noting(begins, HOUR, OutageCause.OUTAGE_CAUSE_CUSTOMER),
    ):
        assert (await refusal(sichuan.node.NoteOutage(wrong, timeout=CALL_SECONDS))).reason == "REQUEST_INVALID"
    good = sichuan.noting(begins, HOUR)
    outage = (await sichuan.node.NoteOutage(good, timeout=CALL_SECONDS)).outage
    assert (await sichuan.node.NoteOutage(good, timeout=CALL_SECONDS)).outage == outage
    for region in ("guangdong", "henan"):
        await Agreements(federation, region).knows(outage)


async def test_a_region_is_not_believed_about_anothers_network_or_agreements(federation: Federation) -> None:
    begins = federation.clock.now() - 2 * HOUR
    good = ServiceOutage(
        source="henan/fault/1",
        service=SERVICE,
        region="henan",
        start_time=to_timestamp(begins),
        end_time=to_timestamp(begins + HOUR),
        cause=OPERATOR,
        version=1,
    )
    spoilt: list[tuple[dict[str, object], str]] = [
        ({"region": "sichuan"}, "ENVELOPE_KIND_NOT_ALLOWED"),
        ({"service": "lines-chengdu-guangzhou"}, "ENVELOPE_KIND_NOT_ALLOWED"),
        ({"agreement_id": "guangdong/agreement-1"}, "ENVELOPE_KIND_NOT_ALLOWED"),
        ({"source": "sichuan/fault/1"}, "ENVELOPE_INVALID"),
        ({"cause": OutageCause.OUTAGE_CAUSE_WAIVED}, "ENVELOPE_INVALID"),
        ({"cause": OutageCause.OUTAGE_CAUSE_CUSTOMER}, "ENVELOPE_INVALID"),
        ({"version": 0}, "ENVELOPE_INVALID"),
        ({"service": "none"}, "ENVELOPE_INVALID"),
        ({"end_time": to_timestamp(begins)}, "ENVELOPE_INVALID"),
        ({"end_time": to_timestamp(begins + timedelta(days=400))}, "ENVELOPE_INVALID"),
    ]
    henan, kind = Forger(federation, "henan"), EnvelopeKind.ENVELOPE_KIND_SERVICE_OUTAGE
    for changes, reason in spoilt:
        lie = ServiceOutage()
        lie.CopyFrom(good)
        lie.MergeFrom(ServiceOutage(**changes))  # type: ignore[arg-type]
        if changes == {"version": 0}:
            lie.version = 0
        envelope = henan.seal("guangdong", kind, OutageTold(outage=lie), f"outage/{lie.source}")
        assert refused(await henan.deliver(envelope, "guangdong")) == reason, changes
    other = henan.seal("guangdong", kind, OutageTold(outage=good), "outage/other")
    assert refused(await henan.deliver(other, "guangdong")) == "ENVELOPE_KIND_NOT_ALLOWED"
    told = henan.seal("guangdong", kind, OutageTold(outage=good), f"outage/{good.source}")
    assert (await henan.deliver(told, "guangdong")).HasField("receipt")
    again = henan.seal("guangdong", kind, OutageTold(outage=good), f"outage/{good.source}")
    assert (await henan.deliver(again, "guangdong")).HasField("receipt")
    rows = federation.database("guangdong").rows("SELECT version FROM service_outages WHERE source = 'henan/fault/1'")
    assert rows == [(1,)]


async def test_a_region_is_not_believed_about_parts_of_anothers_network(federation: Federation) -> None:
    begins = federation.clock.now() - 2 * HOUR
    good = PartOutage(
        source="henan/fault/2",
        region="henan",
        links=["zhengzhou-xian-1"],
        start_time=to_timestamp(begins),
        end_time=to_timestamp(begins + HOUR),
        cause=OPERATOR,
        version=1,
    )
    spoilt: list[tuple[dict[str, object], str]] = [
        ({"region": "sichuan"}, "ENVELOPE_KIND_NOT_ALLOWED"),
        ({"links": ["chengdu-guangzhou-1"]}, "ENVELOPE_KIND_NOT_ALLOWED"),
        ({"sites": ["chengdu"]}, "ENVELOPE_KIND_NOT_ALLOWED"),
        ({"source": "sichuan/fault/2"}, "ENVELOPE_INVALID"),
        ({"cause": OutageCause.OUTAGE_CAUSE_CUSTOMER}, "ENVELOPE_INVALID"),
        ({"end_time": to_timestamp(begins + timedelta(days=400))}, "ENVELOPE_INVALID"),
    ]
    henan, kind = Forger(federation, "henan"), EnvelopeKind.ENVELOPE_KIND_PART_OUTAGE
    for changes, reason in spoilt:
        lie = PartOutage()
        lie.CopyFrom(good)
        lie.MergeFrom(PartOutage(**changes))  # type: ignore[arg-type]
        envelope = henan.seal("guangdong", kind, PartOutageTold(outage=lie), f"outage/{lie.source}")
        assert refused(await henan.deliver(envelope, "guangdong")) == reason, changes
    good.links.append("retired-1")
    told = henan.seal("guangdong", kind, PartOutageTold(outage=good), f"outage/{good.source}")
    assert ReceiptContent.FromString((await henan.deliver(told, "guangdong")).receipt.content).outcome == ACCEPTED
    kept = federation.database("guangdong").rows("SELECT links FROM part_outages WHERE source = ?", good.source)
    assert kept == [("zhengzhou-xian-1",)], "of what is not known here nothing is kept"


async def test_only_the_region_that_runs_a_service_says_how_good_it_was(federation: Federation) -> None:
    kind = EnvelopeKind.ENVELOPE_KIND_SERVICE_CONFORMANCE
    good = ServiceConformance(service=SERVICE, month="2026-01", region="sichuan", windows=9, kept=8, version=1)
    lie = ServiceConformance()
    lie.CopyFrom(good)
    henan, sichuan = Forger(federation, "henan"), Forger(federation, "sichuan")
    for region in ("sichuan", "henan"):
        lie.region = region
        envelope = henan.seal("guangdong", kind, ConformanceTold(conformance=lie), f"conformance/{SERVICE}")
        assert refused(await henan.deliver(envelope, "guangdong")) == "ENVELOPE_KIND_NOT_ALLOWED"
    for name, value in (("kept", 10), ("month", "January"), ("version", 0)):
        lie.CopyFrom(good)
        setattr(lie, name, value)
        envelope = sichuan.seal("guangdong", kind, ConformanceTold(conformance=lie), f"conformance/{SERVICE}")
        assert refused(await sichuan.deliver(envelope, "guangdong")) == "ENVELOPE_INVALID", name
    envelope = sichuan.seal("guangdong", kind, ConformanceTold(conformance=good), f"conformance/{SERVICE}")
    assert (await sichuan.deliver(envelope, "guangdong")).HasField("receipt")
    kept = federation.database("guangdong").rows("SELECT windows, kept FROM service_conformance")
    assert kept == [(9, 8)]


async def test_what_is_not_there_is_refused_by_name(federation: Federation) -> None:
    home, counter = Agreements(federation, "guangdong"), Counter(federation, "guangdong")
    none = api.GetAgreementRequest(agreement_id="guangdong/agreement-999")
    assert (await refusal(home.node.GetAgreement(none, timeout=CALL_SECONDS))).reason == "AGREEMENT_NOT_FOUND"
    made = await home.make(await counter.new_customer())
    assert (await refusal(home.statement(made, month_of(federation)))).reason == "STATEMENT_NOT_FOUND"
    assert (await refusal(home.statement(made, "June"))).reason == "REQUEST_INVALID"
    assert (await refusal(home.statement(made, month_of(federation), -1))).reason == "REQUEST_INVALID"
