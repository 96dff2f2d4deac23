"""The nightly purge, legal holds and impact records, on running nodes."""

from datetime import timedelta

import pytest
from google.protobuf.json_format import MessageToJson

from gateway.api.federation.v1.configuration_pb2 import DataClass
from gateway.api.region.v1 import retention_service_pb2 as api
from gateway.api.region.v1.retention_service_pb2_grpc import RetentionServiceStub
from gateway.time.clock import to_microseconds, to_timestamp
from tests.federation.archive import Archive as Documents
from tests.federation.certificates import FEDERATION
from tests.federation.commands import confirmed_by_command, run_command
from tests.federation.counter import Counter
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation, until

LONG_AGO = timedelta(days=4 * 366)
NIGHT = timedelta(hours=24)


def retention(federation: Federation, region: str = "sichuan") -> RetentionServiceStub:
    """The calls of a region's staff about retention."""
    return RetentionServiceStub(federation.dial_node(region, f"region/{region}/staff/reviewer-1"))


def customer_of(number: str) -> str:
    """The id of the customer that a counter has created with a number."""
    return f"customer-{number.removeprefix('+')}"


def record(federation: Federation, record_id: str) -> api.ImpactRecord:
    """An assessment."""
    return api.ImpactRecord(
        id=record_id,
        recipients=["guangdong"],
        purpose="orders in other regions",
        necessity="the customer asks for it there",
        effect="identity is shown to staff of the other region",
        protection="masked unless granted, sealed on its way",
        assessor="4711",
        assess_time=to_timestamp(federation.clock.now() - timedelta(days=1)),
    )


async def age(federation: Federation, region: str, order_id: str) -> None:
    """Everything about an order happened four years ago."""
    database, then = federation.database(region), to_microseconds(federation.clock.now() - LONG_AGO)
    database.change(f"UPDATE outbox SET created = {then}, closed = {then} WHERE subject = '{order_id}'")
    database.change(f"UPDATE inbox SET received = {then} WHERE subject = '{order_id}'")
    database.change(f"UPDATE orders SET create_time = {then} WHERE order_id = '{order_id}'")


def rows_about(federation: Federation, region: str, order_id: str) -> int:
    """Envelopes about an order that a region keeps."""
    database = federation.database(region)
    sent = database.rows("SELECT COUNT(*) FROM outbox WHERE subject = ?", order_id)
    received = database.rows("SELECT COUNT(*) FROM inbox WHERE subject = ?", order_id)
    return int(sent[0][0] or 0) + int(received[0][0] or 0)


async def purged(federation: Federation, region: str) -> dict[int, api.Purge]:
    """The results of the next night's purge, by class."""
    waiting = "SELECT 1 FROM timers WHERE kind = 'purge' AND subject = 'wait'"
    while federation.database(region).rows(waiting):  # a node that has just begun looks again in a minute
        await federation.advance(timedelta(seconds=61))
    at_rest = "SELECT 1 FROM timers WHERE kind = 'purge' AND subject = ''"

    async def is_at_rest() -> bool:
        return bool(federation.database(region).rows(at_rest))

    # A night that is still going on would go on past the beginning of the next one, which was then left out.
    await until(is_at_rest, "no night is going on", 60.0)
    await federation.advance(NIGHT)
    night = ""

    async def holds() -> bool:
        nonlocal night
        found = (await retention(federation, region).ListPurges(api.ListPurgesRequest(), timeout=CALL_SECONDS)).purges
        night = found[0].night_date if found else ""
        last = [
            each for each in found if each.night_date == night and each.data_class == DataClass.DATA_CLASS_AUDIT_TRAIL
        ]
        today = federation.clock.now() + timedelta(hours=8)
        return bool(last) and last[0].complete and night == f"{today:%Y-%m-%d}"

    await until(holds, "the night is over", 60.0)  # it goes through all that other tests have left
    found = (await retention(federation, region).ListPurges(api.ListPurgesRequest(), timeout=CALL_SECONDS)).purges
    return {each.data_class: each for each in found if each.night_date == night}


async def test_old_envelopes_go_and_open_or_held_ones_stay(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number, held_number = await sichuan.new_customer(), await sichuan.new_customer()
    stub = retention(federation)
    hold = api.HoldCustomerRequest(customer_id=customer_of(held_number), reference="court/2026-17")
    await stub.HoldCustomer(hold, timeout=CALL_SECONDS)
    gone = await guangdong.order("SUSPEND", number)
    kept = await guangdong.order("SUSPEND", held_number)
    await guangdong.order("SUSPEND", await sichuan.new_customer())  # since which Guangdong has been heard of
    await age(federation, "sichuan", gone.id)
    await age(federation, "sichuan", kept.id)
    assert rows_about(federation, "sichuan", gone.id)
    report = await purged(federation, "sichuan")
    envelopes = report[DataClass.DATA_CLASS_ENVELOPES]
    assert envelopes.held >= 1
    assert rows_about(federation, "sichuan", kept.id)
    release = api.ReleaseHoldRequest(customer_id=customer_of(held_number), reference="court/2026-17")
    await sichuan.by_two(lambda: stub.ReleaseHold(release, timeout=CALL_SECONDS))
    await purged(federation, "sichuan")
    # Nothing is forgotten before the last moment of the envelope has passed, whatever its row says.
    assert rows_about(federation, "sichuan", kept.id)
    assert not federation.database("sichuan").rows("SELECT 1 FROM outbox WHERE subject = ? AND closed IS NULL", gone.id)


async def test_a_hold_of_the_home_region_keeps_what_another_region_has_of_the_customer(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number, held_number = await sichuan.new_customer(), await sichuan.new_customer()
    papers = [await Documents(guangdong).put(each) for each in (number, held_number)]
    stub, database = retention(federation), federation.database("guangdong")

    async def heard(version: int) -> None:
        sql = "SELECT 1 FROM holds_of_others WHERE subject = ? AND version = ?"

        async def has_heard() -> bool:
            return bool(database.rows(sql, f"document/{papers[1]}", version))

        await until(has_heard, "Guangdong has heard of it")

    def left() -> set[str]:
        found = database.rows("SELECT document_id FROM document_files")
        return {str(each) for (each,) in found} & set(papers)

    hold = api.HoldCustomerRequest(customer_id=customer_of(held_number), reference="court/2026-18")
    await stub.HoldCustomer(hold, timeout=CALL_SECONDS)
    await heard(1)
    then = to_microseconds(federation.clock.now() - LONG_AGO)
    for each in papers:
        database.change(f"UPDATE document_files SET create_time = {then} WHERE document_id = '{each}'")
    await purged(federation, "guangdong")
    assert left() == {papers[1]}
    release = api.ReleaseHoldRequest(customer_id=customer_of(held_number), reference="court/2026-18")
    assert (await refusal(stub.ReleaseHold(release, timeout=CALL_SECONDS))).reason == "APPROVAL_AWAITED"
    await purged(federation, "guangdong")
    assert left() == {papers[1]}, "one person releases nothing, here and there"
    await sichuan.by_two(lambda: stub.ReleaseHold(release, timeout=CALL_SECONDS))
    await heard(2)
    await purged(federation, "guangdong")
    assert left() == set()


async def test_a_request_that_comes_again_after_the_purge_is_not_done_twice(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    order = await guangdong.order("SUSPEND", number)
    await age(federation, "guangdong", order.id)
    await purged(federation, "guangdong")
    again = await guangdong.get(order.id)
    assert again.id == order.id, "its last change was not long ago"


async def test_a_hold_needs_its_customer_and_its_reference(federation: Federation, sichuan: Counter) -> None:
    stub = retention(federation)
    nobody = api.HoldCustomerRequest(customer_id="nobody", reference="r")
    assert (await refusal(stub.HoldCustomer(nobody, timeout=CALL_SECONDS))).reason == "CUSTOMER_NOT_FOUND"
    missing = api.ReleaseHoldRequest(customer_id="nobody", reference="r")
    assert (await refusal(stub.ReleaseHold(missing, timeout=CALL_SECONDS))).reason == "LEGAL_HOLD_NOT_FOUND"
    customer = customer_of(await sichuan.new_customer())
    past = to_timestamp(federation.clock.now() - timedelta(days=1))
    for request in (
        api.HoldCustomerRequest(customer_id=customer),
        api.HoldCustomerRequest(customer_id=customer, reference="a b"),
        api.HoldCustomerRequest(customer_id=customer, reference="r", end_time=past),
    ):
        assert (await refusal(stub.HoldCustomer(request, timeout=CALL_SECONDS))).reason == "REQUEST_INVALID"


async def test_a_hold_is_listed_moved_and_released_and_each_is_audited(
    federation: Federation, sichuan: Counter
) -> None:
    stub, customer = retention(federation), customer_of(await sichuan.new_customer())
    request = api.HoldCustomerRequest(customer_id=customer, reference="court/1")
    first = (await stub.HoldCustomer(request, timeout=CALL_SECONDS)).hold
    assert first == (await stub.HoldCustomer(request, timeout=CALL_SECONDS)).hold, "the same again changes nothing"
    request.end_time.CopyFrom(to_timestamp(federation.clock.now() + timedelta(days=90)))
    moved = (await sichuan.by_two(lambda: stub.HoldCustomer(request, timeout=CALL_SECONDS))).hold
    assert (moved.start_time, moved.end_time) == (first.start_time, request.end_time)
    listed = await stub.ListHolds(api.ListHoldsRequest(customer_id=customer), timeout=CALL_SECONDS)
    assert list(listed.holds) == [moved]
    everyone = await stub.ListHolds(api.ListHoldsRequest(page_size=500), timeout=CALL_SECONDS)
    assert moved in everyone.holds
    release = api.ReleaseHoldRequest(customer_id=customer, reference="court/1")
    ended = (await sichuan.by_two(lambda: stub.ReleaseHold(release, timeout=CALL_SECONDS))).hold
    assert ended == (await stub.ReleaseHold(release, timeout=CALL_SECONDS)).hold
    rows = federation.database("sichuan").rows(
        "SELECT action FROM audit WHERE subject = ? AND action <> 'BatchCreateCustomers' ORDER BY sequence", customer
    )
    assert rows == [("HoldCustomer",), ("HoldCustomer",), ("ReleaseHold",)]


@pytest.mark.clause("7.4(2)")
async def test_an_assessment_is_recorded_once_and_never_changed(federation: Federation) -> None:
    stub, record_id = retention(federation), federation.next_id()
    request = api.RecordImpactRequest(record=record(federation, record_id))
    kept = (await stub.RecordImpact(request, timeout=CALL_SECONDS)).record
    assert kept == (await stub.RecordImpact(request, timeout=CALL_SECONDS)).record
    listed = await stub.ListImpactRecords(api.ListImpactRecordsRequest(), timeout=CALL_SECONDS)
    assert kept in listed.records
    request.record.purpose = "something else"
    assert (await refusal(stub.RecordImpact(request, timeout=CALL_SECONDS))).reason == "IMPACT_RECORD_EXISTS"
    request.record.ClearField("effect")
    assert (await refusal(stub.RecordImpact(request, timeout=CALL_SECONDS))).reason == "REQUEST_INVALID"


async def test_delivered_notices_of_long_ago_go_in_the_night(federation: Federation, sichuan: Counter) -> None:
    database, then = federation.database("sichuan"), to_microseconds(federation.clock.now() - LONG_AGO)
    columns = "notice_id, kind, number, zh_cn, en, create_time, delivery_time, attempts, due_time"
    number = await sichuan.new_customer()
    old = ", ".join(f"('old/{n}', 'bill', '{number}', 'x', 'x', {then}, {then}, 1, {then})" for n in range(450))
    database.change(f"INSERT INTO notices ({columns}) VALUES {old}")
    report = await purged(federation, "sichuan")
    assert report[DataClass.DATA_CLASS_NOTICES].removed >= 450
    assert not database.rows("SELECT 1 FROM notices WHERE notice_id LIKE 'old/%'")
    noted = database.rows("SELECT actor FROM audit WHERE subject = 'retention/DATA_CLASS_NOTICES'")
    assert set(noted) == {("timer",)}


async def command(federation: Federation, who: str, *arguments: str, typed: str = "") -> tuple[int, str]:
    """The output of a staff command, with a caller's credentials."""
    directory = federation.certificates.credentials(who).certificate.parent
    options = ["--node", federation.endpoint("sichuan"), "--credentials", str(directory)]
    options += ["--federation", FEDERATION, "--region", "sichuan"]
    ended = await run_command("region_node.cli.main", *arguments, *options, environment={}, typed=typed)
    return ended.code, ended.out + ended.err


STAFF = "region/sichuan/staff/reviewer-1"


async def test_who_asks_behind_a_certificate_that_is_shared_is_audited(
    federation: Federation, sichuan: Counter
) -> None:
    customer = customer_of(await sichuan.new_customer())
    hold = ["customers", "hold", customer, "--reference", "court/7"]
    assert (await command(federation, STAFF, *hold, "--staff-id", "4711"))[0] == 0
    release = ["customers", "release-hold", customer, "--reference", "court/7"]
    await confirmed_by_command(federation, "sichuan", await command(federation, STAFF, *release, "--staff-id", "4711"))
    assert (await command(federation, STAFF, *release))[0] == 0
    assert (await command(federation, STAFF, *hold, "--staff-id", "a b"))[0] == 1
    rows = federation.database("sichuan").rows(
        "SELECT actor, detail FROM audit WHERE subject = ? AND action LIKE '%Hold%' ORDER BY sequence", customer
    )
    assert [actor for actor, _ in rows] == [STAFF, STAFF]
    assert [str(detail).split(",")[0] for _, detail in rows] == ["staff 4711", "staff reviewer-1"]


async def test_whoever_records_an_assessment_is_its_assessor_unless_it_names_one(federation: Federation) -> None:
    told = record(federation, federation.next_id())
    told.ClearField("assessor")
    arguments = ["impact-records", "record", "-", "--staff-id", "4711"]
    code, said = await command(federation, STAFF, *arguments, typed=MessageToJson(told))
    assert (code, "assessed by 4711" in said) == (0, True), said


async def test_an_operator_system_is_told_whose_credentials_a_hold_needs(
    federation: Federation, sichuan: Counter
) -> None:
    customer = customer_of(await sichuan.new_customer())
    operator = "region/sichuan/operator/counter"
    code, said = await command(federation, operator, "customers", "hold", customer, "--reference", "court/8")
    assert code == 1
    assert "Give the --credentials of a member of staff of the node's region." in said
