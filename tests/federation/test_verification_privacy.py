"""Codes and passwords are nowhere but on the customer's telephone, and bound to their caller."""

import logging
import re
import stat
from pathlib import Path

import pytest

from deploy.provider.notification import PHONES
from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.verification_envelopes_pb2 import VerificationQuery
from gateway.api.region.v1.verification_service_pb2 import SendCodeRequest, VerifyRequest
from gateway.api.relay.v1.relay_pb2 import EnvelopeKind
from tests.federation.counter import REQUESTER, Counter
from tests.federation.databases import Databases
from tests.federation.forger import Forger, refused
from tests.federation.refusals import refusal
from tests.federation.running import Federation
from tests.federation.test_privacy import traced

PASSWORD, GUESSED, CHOSEN = "271828", "161803", "577215"
VERIFICATION = EnvelopeKind.ENVELOPE_KIND_VERIFICATION


async def everything_about_verification(federation: Federation, counter: Counter, number: str) -> list[str]:
    """Uses codes and passwords in every way; returns the secrets."""
    first, second = federation.next_id(), federation.next_id()
    code = await counter.receive_code(number, first)
    await refusal(counter.verify(number, first, code=f"{(int(code) + 1) % 10**6:06d}"))
    documents = await counter.verify(number, first, code=code)
    request = counter.request("LOSS_REPORT", number, papers=())
    request.documents.extend(documents)
    assert (await counter.submit(request, request_id=first)).state == OrderState.ORDER_STATE_COMPLETED
    database = federation.database("sichuan")
    database.change("UPDATE verification_states SET code_sent = 0")
    changing = await counter.receive_code(number, second)
    await counter.change_password(number, PASSWORD, request_id=second, code=changing)
    await refusal(counter.change_password(number, CHOSEN, password=GUESSED))
    await counter.change_password(number, CHOSEN, password=PASSWORD)
    await counter.verify(number, federation.next_id(), password=CHOSEN)
    return [code, changing, PASSWORD, GUESSED, CHOSEN]


def stands_in(secret: str, told: bytes) -> bool:
    """Whether a secret stands somewhere by itself: six digits within a longer number are no leak."""
    return re.search(rb"(?<!\d)" + secret.encode() + rb"(?!\d)", told) is not None


def files_of(directory: Path) -> tuple[dict[str, bytes], list[Path]]:
    """The content of each file under a directory, without customers' telephones, and these."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    phones = [path for path in files if path.parent.name == PHONES]
    return {str(path): path.read_bytes() for path in files if path not in phones}, phones


@pytest.mark.parametrize("handling", ["guangdong", "sichuan"])
async def test_no_code_and_no_password_stands_in_a_log_a_span_a_database_or_a_file(
    databases: Databases,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    handling: str,
) -> None:
    for package in ("gateway", "region_node", "coordinator"):
        caplog.set_level(logging.DEBUG, logger=package)
    async with traced(tmp_path, databases, monkeypatch) as (federation, spans):
        counter, sichuan = Counter(federation, handling), Counter(federation, "sichuan")
        number = await sichuan.new_customer()
        secrets = await everything_about_verification(federation, counter, number)
        raw = {region: federation.database(region).raw() for region in federation.nodes}
        assert number.encode() in federation.database("sichuan").opened()
        raw["coordinator"] = federation.coordinator_database.raw()
    formatter = logging.Formatter()
    raw["log"] = "\n".join(formatter.format(record) for record in caplog.records).encode()
    raw["spans"] = spans.path.read_bytes()
    files, phones = files_of(tmp_path)
    raw |= files
    assert [(place, secret) for place, told in raw.items() for secret in secrets if stands_in(secret, told)] == []
    (phone,) = phones
    assert stands_in(secrets[0], phone.read_bytes()), "the search finds what is there"
    assert stat.S_IMODE(phone.stat().st_mode) == 0o600
    assert b"ENVELOPE_KIND_VERIFICATION" in raw["spans"] or handling == "sichuan"


async def test_no_region_asks_about_a_request_of_another_one(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    number, request_id = await sichuan.new_customer(), federation.next_id()
    code = await guangdong.receive_code(number, request_id)
    verify = VerifyRequest(request_id=request_id, number=number, code=code, requester=REQUESTER)
    henan = Forger(federation, "henan")
    query = VerificationQuery(subject=f"guangdong/counter/{request_id}", verify=verify)
    forged = henan.seal("sichuan", VERIFICATION, query, "Verify")
    assert refused(await henan.deliver(forged, "sichuan")) == "ENVELOPE_INVALID"
    own = VerificationQuery(subject=f"henan/counter/{request_id}", verify=verify)
    forged = henan.seal("sichuan", VERIFICATION, own, "Verify")
    assert refused(await henan.deliver(forged, "sichuan")) == "CODE_EXPIRED", "the code is for Guangdong's request"
    assert await guangdong.verify(number, request_id, code=code)


async def test_a_question_that_asks_nothing_or_for_another_id_is_refused(
    federation: Federation, sichuan: Counter
) -> None:
    henan, number = Forger(federation, "henan"), await sichuan.new_customer()
    send = SendCodeRequest(request_id="one", number=number, requester=REQUESTER)
    to_contact = SendCodeRequest(request_id="one", number=number, contact="+86138****1234", requester=REQUESTER)
    for query in (
        VerificationQuery(subject="henan/counter/one", send_code=to_contact),
        VerificationQuery(subject="henan/counter/one", send_code_to_contact=send),
        VerificationQuery(subject="henan/app/one", send_code_to_contact=to_contact),
        VerificationQuery(subject="henan/counter/one"),
        VerificationQuery(subject="henan/counter/another", send_code=send),
        VerificationQuery(subject="henan/app/one", send_code=send),
    ):
        result = await henan.deliver(henan.seal("sichuan", VERIFICATION, query, "SendCode"), "sichuan")
        assert refused(result) == "ENVELOPE_INVALID"
    assert federation.texts(number) == []
