"""`region-node settlement` and `coordinator settlement` against regions that run."""

import json
from base64 import b64decode, b64encode
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from deploy.audit.check_proof import Wrong, check
from gateway.api.region.v1.settlement_pb2 import SettlementSignature
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent
from tests.federation.commands import as_administrator, as_caller, run_command
from tests.federation.running import Federation, until


async def said(federation: Federation, region: str, *words: str, code: int = 0) -> str:
    """The output of the command, as a member of a region's staff."""
    environment = as_caller(federation, region, "staff/wang")
    ended = await run_command("region_node.cli.main", "settlement", *words, environment=environment)
    assert ended.code == code, ended.err
    return ended.out + ended.err


def checked(federation: Federation, directory: Path, shown: dict[str, str]) -> list[str]:
    """The facts that a third party finds in a file, with the authority's certificate and no more. Raises Wrong."""
    path = directory / "proof.json"
    path.write_text(json.dumps(shown))
    authorities = x509.load_pem_x509_certificates(federation.certificates.authority.certificate_pem)
    return check(json.loads(path.read_text()), authorities)


def forged(shown: dict[str, str], other: dict[str, str]) -> dict[str, dict[str, str]]:
    """What somebody may try with a statement and the other signature under it."""
    content = EnvelopeContent.FromString(b64decode(shown["content"]))
    signature = SettlementSignature.FromString(content.payload)
    signature.statement.terms.net.add(minor_units=1, currency="CNY")
    content.payload = signature.SerializeToString()
    return {
        "another amount": {**shown, "content": b64encode(content.SerializeToString()).decode()},
        "the signature of the other region": {**shown, "signature": other["signature"]},
        "the certificate of the other region": {**shown, "certificate": other["certificate"]},
        "in the name of the other region": {**shown, "region": other["region"]},
    }


async def test_a_month_is_proposed_by_one_region_and_signed_by_the_other_and_a_third_party_checks_it(
    federation: Federation, tmp_path: Path
) -> None:
    month = f"{federation.clock.now().replace(day=1) - timedelta(days=2):%Y-%m}"
    assert month in await said(federation, "sichuan", "sign", "guangdong", month, code=1), "nothing is proposed"
    await said(federation, "guangdong", "sign", "sichuan", month)

    async def is_there(region: str, state: str) -> bool:
        return state in await said(federation, region, "months", "--month", month)

    await until(lambda: is_there("sichuan", "proposed"), "the other region has the proposal")
    await said(federation, "sichuan", "sign", "guangdong", month)
    await until(lambda: is_there("guangdong", "signed"), "both have both signatures")
    unpaid = await said(federation, "sichuan", "paid", "guangdong", month, "--reference", "T-1", code=1)
    assert "Nothing is to be paid" in unpaid
    ended = await run_command(
        "coordinator.cli.main", "settlement", "--month", month, environment=as_administrator(federation)
    )
    assert ended.code == 0, ended.err
    assert "nothing" in ended.out
    assert "sum up to zero" in ended.out
    assert "records of this region" in await said(federation, "guangdong", "show", "sichuan", month)
    files = [f"{month}-{each}.json" for each in ("guangdong", "sichuan")]
    for region, other in (("guangdong", "sichuan"), ("sichuan", "guangdong")):
        await said(federation, region, "proof", other, month, str(tmp_path / region))
        shown = [json.loads((tmp_path / region / each).read_text()) for each in files]
        for signer, (one, another) in zip(("guangdong", "sichuan"), (shown, shown[::-1]), strict=True):
            assert checked(federation, tmp_path, one)[0].startswith(f"envelope signed by {signer}")
            for case, each in forged(one, another).items():
                with pytest.raises((Wrong, ValueError)):
                    pytest.fail(f"{case}: {checked(federation, tmp_path, each)}")
