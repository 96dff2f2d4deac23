"""Notices reach the region's messaging system, once, however often it is away; and without one, they wait."""

from datetime import timedelta
from pathlib import Path

import pytest

from deploy.local.ports import HeldPort
from deploy.provider.notification import Phones
from deploy.provider.server import Provider, ProviderOptions
from gateway.api.region.v1 import notice_service_pb2 as api
from gateway.api.region.v1.order_pb2 import OrderState
from region_node.node.settings import NotificationSettings, ProviderSettings
from tests.federation.counter import REQUESTER, Counter
from tests.federation.databases import Databases
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, MESSAGING, Federation, running, until


async def reset(counter: Counter, number: str) -> None:
    """Causes a notice to the customer."""
    order = await counter.submit(counter.request("PWD_RESET", number, papers=("ID_ORIG", "FACE")))
    assert order.state == OrderState.ORDER_STATE_COMPLETED


async def listed(counter: Counter, number: str = "", page_size: int = 0, token: str = "") -> api.ListNoticesResponse:
    """A page of notices."""
    request = api.ListNoticesRequest(number=number, page_size=page_size, page_token=token, requester=REQUESTER)
    return await counter.notices.ListNotices(request, timeout=CALL_SECONDS)


async def test_what_a_customer_is_told_reaches_the_telephone_and_is_listed(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number = await sichuan.new_customer()
    await reset(sichuan, number)

    async def is_delivered() -> bool:
        (notice,) = (await listed(sichuan, number)).notices
        return notice.HasField("delivery_time")

    await until(is_delivered, "the notice is taken")
    (notice,) = (await listed(sichuan, number)).notices
    (text,) = federation.texts(number)
    assert (text.id, text.kind, text.zh_cn, text.en) == (notice.id, notice.kind, notice.text.zh_cn, notice.text.en)
    assert notice.kind == "password-reset"
    reads = federation.database("sichuan").rows(
        "SELECT actor FROM audit WHERE action = 'ListNotices' AND subject = ?", f"customer-{number.removeprefix('+')}"
    )
    assert set(reads) == {(sichuan.path,)}


async def test_notices_are_listed_oldest_first_page_by_page(guangdong: Counter, sichuan: Counter) -> None:
    number = await sichuan.new_customer()
    for _ in range(3):
        await reset(sichuan, number)
    whole = [each.id for each in (await listed(sichuan, number)).notices]
    assert sum(each.endswith("#password-reset") for each in whole) == 3
    found: list[str] = []
    token = ""
    while not found or token:
        page = await listed(sichuan, number, 1, token)
        found += [each.id for each in page.notices]
        token = page.next_page_token
    # The bill of a month may be told meanwhile: it comes last.
    assert found[: len(whole)] == whole
    assert (await refusal(listed(sichuan, number, 1, "nonsense"))).reason == "TOKEN_INVALID"


async def test_without_a_messaging_system_no_code_is_sent_and_notices_wait_until_there_is_one(
    databases: Databases, tmp_path: Path
) -> None:
    async with running(tmp_path, databases, ["guangdong", "sichuan"]) as federation:
        sichuan = Counter(federation, "sichuan")
        number = await sichuan.new_customer()
        messaging = federation.region_settings("sichuan").providers
        federation.providers["sichuan"] = ProviderSettings()
        await federation.stop_node("sichuan")
        await federation.start_node("sichuan")
        assert (await refusal(sichuan.receive_code(number, "R"))).reason == "NOTIFICATION_UNAVAILABLE"
        await reset(sichuan, number)
        assert federation.texts(number) == []
        federation.providers["sichuan"] = messaging
        await federation.stop_node("sichuan")
        await federation.start_node("sichuan")

        async def has_come() -> bool:
            return len(federation.texts(number)) == 1

        await until(has_come, "the notice has come")
        await reset(sichuan, await sichuan.new_customer())


async def test_a_messaging_system_that_is_away_is_tried_again_and_sends_nothing_twice(
    databases: Databases, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, databases, ["guangdong", "sichuan"]) as federation:
        guangdong, sichuan = Counter(federation, "guangdong"), Counter(federation, "sichuan")
        number = await sichuan.new_customer()
        directory = federation.certificates.credentials(f"region/sichuan/provider/{MESSAGING}").certificate.parent
        port = HeldPort()
        settings = NotificationSettings(f"127.0.0.1:{port.number}", MESSAGING)
        federation.providers["sichuan"] = ProviderSettings(notification=settings)
        await federation.stop_node("sichuan")
        await federation.start_node("sichuan")
        reasons: set[str] = set()

        async def is_told() -> bool:
            reasons.add((await refusal(guangdong.receive_code(number, "R"))).reason)
            return "NOTIFICATION_UNAVAILABLE" in reasons

        await until(is_told, "Sichuan, started again, says that it cannot send")
        assert reasons <= {"NOTIFICATION_UNAVAILABLE", "REGION_UNREACHABLE"}
        nobody = federation.next_number("sichuan")
        for _ in range(2):
            told = (await refusal(guangdong.receive_code(nobody, "R2"))).reason
            assert told == "NOTIFICATION_UNAVAILABLE", "as of a number that has a customer"
        await reset(sichuan, number)

        async def is_tried() -> bool:
            return "a delivery to the system for notices has failed" in caplog.text

        await until(is_tried, "the notice is tried")
        provider = await Provider.start(ProviderOptions(directory, f"127.0.0.1:{port.number}"), federation.clock)
        try:
            phones = Phones(directory)

            async def has_come() -> bool:
                return len(phones.texts(number)) == 1

            await until(has_come, "the notice has come")
            code = await guangdong.receive_code(number, "R")
            assert await guangdong.verify(number, "R", code=code), "the code that was not sent held nothing up"
            federation.database("sichuan").change("UPDATE notices SET delivery_time = NULL, due_time = 0")
            await federation.advance(timedelta(minutes=2))
            await reset(sichuan, await sichuan.new_customer())

            async def is_taken() -> bool:
                rows = federation.database("sichuan").rows(
                    "SELECT 1 FROM notices WHERE delivery_time IS NULL AND kind = 'password-reset'"
                )
                return not rows

            await until(is_taken, "nothing waits")
            assert [each.kind for each in phones.texts(number)] == ["password-reset", "one-time-code"]
            assert "the system for notices accepts deliveries again" in caplog.text
        finally:
            await provider.stop()


@pytest.mark.several_processes
async def test_two_processes_of_a_region_deliver_each_notice_once(databases: Databases, tmp_path: Path) -> None:
    async with running(tmp_path, databases, ["guangdong", "sichuan"]) as federation:
        await federation.start_node("sichuan/1")
        sichuan, beside = Counter(federation, "sichuan"), Counter(federation, "sichuan", number=1)
        numbers = [await sichuan.new_customer() for _ in range(6)]
        for index, number in enumerate(numbers):
            await reset((sichuan, beside)[index % 2], number)

        async def all_came() -> bool:
            return all(len(federation.texts(number)) == 1 for number in numbers)

        await until(all_came, "each telephone has its text")
