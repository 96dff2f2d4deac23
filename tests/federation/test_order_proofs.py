"""What both regions have signed about an order, written by `region-node orders proof` and checked by a third party."""

import json
from base64 import b64decode, b64encode
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.api.region.v1.order_pb2 import OrderState
from gateway.api.region.v1.order_service_pb2 import GetOrderProofRequest
from gateway.api.region.v1.order_service_pb2_grpc import OrderServiceStub
from gateway.api.region.v1.proof_pb2 import SignedProof
from gateway.security.signing import TrustedKeys
from tests import preloaded
from tests.federation.commands import as_caller, run_command
from tests.federation.counter import Counter
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation
from tests.preloaded import Ended


@pytest.fixture(scope="module", autouse=True)
def _programs(federation: Federation) -> None:
    """The server of programs has imported their modules, beside the federation's start: no part of any test."""
    preloaded.run("deploy.audit.check_proof", "--help", environment={})


async def written(federation: Federation, region: str, order_id: str, directory: Path, language: str = "en") -> Ended:
    """The command, as a member of a region's staff."""
    environment = as_caller(federation, region, "staff/wang", language=language)
    words = ("orders", "proof", order_id, str(directory))
    return await run_command("region_node.cli.main", *words, environment=environment)


async def read(federation: Federation, path: str, order_id: str, size: int = 0) -> list[SignedProof]:
    """What an RPC tells a caller, page after page."""
    orders = OrderServiceStub(federation.dial_node(path.split("/")[1], path))
    found: list[SignedProof] = []
    token = ""
    while True:
        request = GetOrderProofRequest(order_id=order_id, page_size=size, page_token=token)
        page = await orders.GetOrderProof(request, timeout=CALL_SECONDS)
        found += page.proofs
        token = page.next_page_token
        if not token:
            return found


def told(federation: Federation, directory: Path, proof: Path, *words: str) -> tuple[int, str]:
    """The exit code of the script that a third party has, in a process of its own, and its words."""
    authority = directory / "authority.crt"
    authority.write_bytes(federation.certificates.authority.certificate_pem)
    done = preloaded.run("deploy.audit.check_proof", str(proof), "--authority", str(authority), *words, environment={})
    return done.code, done.out + done.err


async def cancelled_order(guangdong: Counter, sichuan: Counter) -> str:
    """An order of Guangdong about a customer of Sichuan, submitted and cancelled."""
    start = (guangdong.federation.clock.now() + timedelta(hours=1)).isoformat()
    order = await guangdong.order("SUSPEND", await sichuan.new_customer(), start=start)
    assert (await guangdong.cancel(order.id)).state == OrderState.ORDER_STATE_CANCELLED
    return order.id


async def test_both_regions_write_what_was_signed_about_an_order_and_a_third_party_checks_each_file(
    federation: Federation, guangdong: Counter, sichuan: Counter, tmp_path: Path
) -> None:
    order_id = await cancelled_order(guangdong, sichuan)
    contents = {}
    for region in ("guangdong", "sichuan"):
        ended = await written(federation, region, order_id, tmp_path / region)
        assert ended.code == 0, ended.err
        assert not ended.err
        files = {each.name: each for each in (tmp_path / region).iterdir()}
        contents[region] = {name: json.loads(each.read_text()) for name, each in files.items()}
        assert all(name in ended.out for name in files)
        assert all(each.stat().st_mode & 0o077 == 0 for each in files.values()), "they name the customer"
    assert contents["guangdong"] == contents["sichuan"], "each has what both have signed"
    ids = []
    for name, shown in contents["guangdong"].items():
        code, facts = told(federation, tmp_path, tmp_path / "guangdong" / name)
        assert code == 0, facts
        assert facts.startswith(f"{shown['kind']} signed by {shown['region']}")
        ids.append((shown["kind"], facts.splitlines()[1].split("'")[1]))
        changed = bytearray(b64decode(shown["content"]))
        changed[-1] ^= 1
        altered = tmp_path / "altered.json"
        altered.write_text(json.dumps({**shown, "content": b64encode(changed).decode()}))
        code, facts = told(federation, tmp_path, altered)
        assert code == 1
        assert "NOT PROVEN" in facts
    for kind in ("envelope", "receipt"):
        about = [envelope_id for each, envelope_id in ids if each == kind]
        assert f"{order_id}#submit>sichuan" in about
        assert any(each.startswith(f"{order_id}#counter/") for each in about), "the cancellation"


async def test_a_proof_is_read_in_pages_and_each_reading_is_recorded(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    order_id = await cancelled_order(guangdong, sichuan)
    path = f"region/sichuan/staff/{federation.next_id()}"
    whole = await read(federation, path, order_id)
    assert await read(federation, path, order_id, size=1) == whole
    assert len(whole) >= 4, "submission and cancellation, and the receipt of each"
    rows = federation.database("sichuan").rows("SELECT action, subject FROM audit WHERE actor = ?", path)
    assert rows == [("GetOrderProof", order_id)] * (1 + len(whole))


async def test_a_proof_without_the_certificate_says_so_and_is_checked_with_it(
    federation: Federation, guangdong: Counter, sichuan: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = await cancelled_order(guangdong, sichuan)
    monkeypatch.setattr(TrustedKeys, "certificates", lambda *_: [])  # as after a year
    for language, lacking in (("en", "lack its signing certificate"), ("zh", "签名证书")):
        ended = await written(federation, "guangdong", order_id, tmp_path / "proofs", language)
        assert ended.code == 0
        assert lacking in ended.err
    proof = next((tmp_path / "proofs").glob("receipt-sichuan-*.json"))
    code, facts = told(federation, tmp_path, proof)
    assert code == 1
    assert "lacks the certificate of sichuan" in facts
    certificate = federation.certificates.signing("region/sichuan").certificate
    code, facts = told(federation, tmp_path, proof, "--certificate", str(certificate))
    assert code == 0, facts
    other = federation.certificates.signing("region/guangdong").certificate
    assert told(federation, tmp_path, proof, "--certificate", str(other))[0] == 1
    database = federation.database("guangdong")
    columns = f"'sichuan', '2000-01', 'sichuan', 'of the test', {database.blob(certificate.read_bytes())}"
    database.change(f"INSERT INTO settlement_signatures VALUES ({columns})")
    found = await read(federation, "region/guangdong/staff/wang", order_id)
    assert {each.region for each in found if each.certificate} == {"sichuan"}, "it is kept with a settlement"
    database.change("DELETE FROM settlement_signatures WHERE envelope_id = 'of the test'")


async def test_nobody_but_staff_of_a_region_that_has_the_order_gets_a_proof(
    federation: Federation, guangdong: Counter, sichuan: Counter
) -> None:
    order_id = await cancelled_order(guangdong, sichuan)
    local = await guangdong.order("SUSPEND", await guangdong.new_customer())
    refused = {
        ("region/guangdong/operator/counter", order_id): "PERMISSION_DENIED",
        ("region/henan/staff/wang", order_id): "ORDER_NOT_FOUND",
        ("region/guangdong/staff/wang", "guangdong/counter/none"): "ORDER_NOT_FOUND",
        ("region/guangdong/staff/wang", local.id): "ORDER_NOT_PROVEN",
    }
    for (path, asked), reason in refused.items():
        assert (await refusal(read(federation, path, asked))).reason == reason, path
    database = federation.database("sichuan")
    database.change(f"UPDATE orders SET erased = 1 WHERE order_id = '{order_id}'")
    erased = await refusal(read(federation, "region/sichuan/staff/wang", order_id))
    database.change(f"UPDATE orders SET erased = 0 WHERE order_id = '{order_id}'")
    assert erased.reason == "CUSTOMER_ERASED"
