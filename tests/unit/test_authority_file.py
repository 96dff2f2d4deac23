"""An authority is replaced while a process runs: both are trusted for a while, then the new one alone."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.api.federation.v1.federation_pb2 import RevocationList
from gateway.errors import Refused
from gateway.security.authority import Authority
from gateway.security.authority_file import follow_authority
from gateway.security.identity import parse
from gateway.security.signing import ENVELOPE, Signer, TrustedKeys
from gateway.security.tls import Credentials

FEDERATION = "demo.example"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
YEAR = timedelta(days=365)
HENAN = parse(f"spiffe://{FEDERATION}/region/henan", FEDERATION)


def test_an_authority_rotates_without_a_restart_and_an_unusable_file_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    former, present = (Authority.create(FEDERATION, NOW - YEAR, NOW + YEAR) for _ in range(2))
    before, after = former.issue_signing(HENAN, NOW - YEAR, NOW + YEAR), present.issue_signing(HENAN, NOW, NOW + YEAR)
    assert isinstance(before.key, Ed25519PrivateKey)
    signature = Signer(before.key).sign(ENVELOPE, b"content")
    file = tmp_path / "authority.crt"
    file.write_bytes(former.certificate_pem)
    keys = TrustedKeys(former.certificate_pem, FEDERATION)
    keys.accept("henan", before.certificate_pem, NOW)
    crl = present.revocation_list([7], 1, NOW).public_bytes(Encoding.DER)
    steps = iter((former.certificate_pem + present.certificate_pem, b"", None, present.certificate_pem))
    trusts: list[bool] = []

    async def look(_: float) -> None:
        """Stands for the pause between two looks: notes what counts, and changes the file."""
        trusts.append(keys.verify("henan", ENVELOPE, b"content", signature))
        if len(trusts) == 2:
            keys.accept("henan", after.certificate_pem, NOW)
            keys.revocations.take(RevocationList(crl=crl))
        step = next(steps, b"end")
        if step == b"end":
            raise asyncio.CancelledError
        if step is None:
            file.unlink()
        else:
            file.write_bytes(step)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(follow_authority(Credentials(file, file, file), keys, look))
    assert trusts == [True, True, True, True, False]
    assert [record.levelname for record in caplog.records if "is ignored" in record.getMessage()] == ["ERROR"]
    assert keys.newest("henan") == after.certificate_pem
    assert [each.crl for each in keys.revocations.lists()] == [crl]
    with pytest.raises(Refused, match="not issued by the authority"):
        keys.accept("sichuan", before.certificate_pem, NOW)
