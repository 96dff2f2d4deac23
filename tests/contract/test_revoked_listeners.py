"""A listener that a thief may have registered is told nothing more once the stolen certificate is revoked."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.api.federation.v1.federation_pb2 import RevocationList
from gateway.api.types.v1.access_pb2 import Role
from gateway.security.authority import Authority
from gateway.security.identity import Identity
from gateway.security.peers import Certificates, IssuedNumber
from gateway.security.signing import TrustedKeys
from region_node.node import outgoing
from tests.contract.relay_pair import NOW
from tests.contract.test_listeners import STOPPED, listening, types

VALID = timedelta(days=365)


def test_a_listener_is_told_nothing_more_once_the_certificate_that_registered_it_is_revoked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing, "REST", 0.001)
    monkeypatch.setattr(outgoing, "LONGEST_SLEEP", 0.001)
    authority = Authority.create("china", NOW - VALID, NOW + VALID)
    issuer = authority.issue_issuer("sichuan", NOW - VALID, NOW + VALID)
    trusted = TrustedKeys(authority.certificate_pem, "china")
    identity = Identity("china", Role.ROLE_OPERATOR, "sichuan", "counter")
    stolen, fresh = (issuer.issue_tls(identity, NOW - VALID, NOW + VALID).certificate for _ in range(2))

    def shown(certificate: x509.Certificate) -> Certificates:
        return [(IssuedNumber.of(each), each) for each in (certificate, issuer.certificate)]

    async def scenario() -> None:
        async with listening(tmp_path, trusted=trusted) as (here, hook):
            await here.register(hook.url, certificates=shown(stolen))
            await here.register(hook.url, operator="crm", certificates=shown(stolen))
            await here.register(hook.url, operator="crm", certificates=shown(fresh))
            await here.order(1)
            async with here.telling():
                await here.until(lambda: len(hook.bodies) == 1)
                crl = issuer.revocation_list([stolen.serial_number], 1, NOW).public_bytes(Encoding.DER)
                named = issuer.certificate.public_bytes(Encoding.DER)
                trusted.revocations.take(RevocationList(crl=crl, issuer_certificate=named))
                await here.order(2)
                found = await here.listener(lambda each: each.state == STOPPED, timedelta(seconds=1))
                assert found.problem == "CERTIFICATE_REVOKED"
                await here.order(3, operator="crm")
                await here.until(lambda: len(hook.bodies) == 2)
                await here.register(hook.url, certificates=shown(fresh))
                await here.until(lambda: len(hook.bodies) == 3)
            assert [number for _, number in types(hook)] == ["1", "3", "2"]

    asyncio.run(scenario())
