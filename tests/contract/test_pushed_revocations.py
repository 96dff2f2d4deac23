"""What a coordinator pushes to a node about revoked certificates: in force at once, for the keys behind them too."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.api.federation.v1.federation_pb2 import RevocationList, WatchResponse
from gateway.security import tls
from gateway.security.authority import Authority
from gateway.security.identity import parse
from tests.contract.membership_node import PATIENCE_S, eventually, node, running, signer_of
from tests.contract.small_federation import (
    FEDERATION,
    HOUR,
    LIFE,
    NOTHING_LISTENS,
    NOW,
    Certificates,
    coordinator,
    new_authority,
)
from tests.contract.test_membership_client import PEER, certificates_of_a_federation, member, sealed_to
from tests.keys import region_keys

__all__ = ("certificates_of_a_federation",)


def test_a_revocation_is_in_force_with_the_message_that_brings_it_and_no_pause_lies_between(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node sends no heartbeat here, and each pause of its client from then on would fail.

    A pause before it is none of the revocation's: on a busy machine a first connection may be given up.
    """
    monkeypatch.setattr(tls, "_MEMBER_KEEPALIVE_MS", int(PATIENCE_S * 1000))

    async def story() -> None:
        is_pushed = asyncio.Event()

        async def no_pause(seconds: float) -> None:
            assert not is_pushed.is_set(), f"the node would pause for {seconds} s"
            await asyncio.sleep(seconds)

        crl = certificates.authority.revocation_list([7], 1, NOW).public_bytes(Encoding.DER)
        async with (
            coordinator(certificates) as hub,
            node(certificates, tmp_path / "data", hub.endpoint, sleep=no_pause) as under_test,
            running(under_test.client.follow()),
        ):
            await eventually(lambda: under_test.current.revision == 1)
            is_pushed.set()
            hub.put(WatchResponse(federation_revision=1, revocation_lists=[RevocationList(crl=crl)]))
            await eventually(lambda: [each.crl for each in under_test.border.keys.revocations.lists()] == [crl])

    asyncio.run(story())


def test_nothing_is_sealed_to_the_key_of_a_thief_once_the_stolen_certificate_is_revoked(
    certificates: Certificates, tmp_path: Path
) -> None:
    """The thief dates the key ahead: by its time it would outlast each later one of the region."""

    async def story() -> None:
        who = parse(f"spiffe://{FEDERATION}/region/{PEER}", FEDERATION)
        stolen, fresh = (
            certificates.authority.issue(who, NOW - HOUR + timedelta(minutes=each), NOW + LIFE) for each in range(2)
        )
        thief, own = region_keys("nobody").set, region_keys(PEER).set
        assert stolen.signing is not None
        crl = certificates.authority.revocation_list([stolen.signing.certificate.serial_number], 1, NOW)
        revoked = RevocationList(crl=crl.public_bytes(Encoding.DER))
        a_year = 365 * 24 * 3600
        joined = sealed_to(member(PEER, stolen), thief, signer_of(stolen), a_year)
        async with (
            coordinator(certificates, 1, joined) as hub,
            node(certificates, tmp_path / "data", hub.endpoint) as under_test,
            running(under_test.client.follow()),
        ):
            known = under_test.border.sealing_keys
            await eventually(lambda: known.of(PEER) == thief.in_use.sealing.public)
            hub.put(WatchResponse(federation_revision=1, members=[joined], revocation_lists=[revoked]))
            await eventually(lambda: known.of(PEER) is None)
            again = sealed_to(member(PEER, fresh), own, signer_of(fresh))
            hub.put(WatchResponse(federation_revision=1, members=[again], revocation_lists=[revoked]))
            # The state in force is told once it is kept on disk.
            await eventually(lambda: under_test.current.state().members[PEER].sealing_key == again.sealing_key)
        async with node(certificates, tmp_path / "data", NOTHING_LISTENS) as under_test:
            assert under_test.border.sealing_keys.of(PEER) == own.in_use.sealing.public

    asyncio.run(story())


def test_nothing_is_sealed_to_a_key_that_a_removed_authority_proves_though_a_coordinator_tells_it_on(
    certificates: Certificates, tmp_path: Path
) -> None:
    async def story() -> None:
        who = parse(f"spiffe://{FEDERATION}/region/{PEER}", FEDERATION)
        removed, present = certificates.authority, Authority.create(FEDERATION, NOW - HOUR, NOW + LIFE)
        former, renewed = removed.issue(who, NOW - HOUR, NOW + LIFE), present.issue(who, NOW, NOW + LIFE)
        thief, own = region_keys("nobody").set, region_keys(PEER).set
        joined = sealed_to(member(PEER, former), thief, signer_of(former), 3600)
        async with (
            coordinator(certificates, 1, joined) as hub,
            node(certificates, tmp_path / "data", hub.endpoint) as under_test,
            running(under_test.client.follow()),
        ):
            keys, known = under_test.border.keys, under_test.border.sealing_keys
            await eventually(lambda: known.of(PEER) == thief.in_use.sealing.public)
            keys.replace_authority(removed.certificate_pem + present.certificate_pem)
            assert known.of(PEER) is not None, "both authorities count while they rotate"
            keys.replace_authority(present.certificate_pem)
            assert known.of(PEER) is None
            again = sealed_to(member(PEER, renewed), own, signer_of(renewed))
            for told in (joined, again):
                hub.put(WatchResponse(federation_revision=1, members=[told]))
            await eventually(lambda: known.of(PEER) == own.in_use.sealing.public)

    asyncio.run(story())


def test_a_region_is_sealed_to_on_though_its_former_certificate_has_run_out_and_another_one_is_revoked(
    certificates: Certificates, tmp_path: Path
) -> None:
    """The coordinators may tell no later signature: a key that is forgotten here would be missing for good."""

    async def story() -> None:
        who = parse(f"spiffe://{FEDERATION}/region/{PEER}", FEDERATION)
        former = certificates.authority.issue(who, NOW - HOUR, NOW + LIFE)
        own, others = region_keys(PEER).set, [7, 8]
        joined = sealed_to(member(PEER, former), own, signer_of(former))
        async with (
            coordinator(certificates, 1, joined) as hub,
            node(certificates, tmp_path / "data", hub.endpoint) as under_test,
            running(under_test.client.follow()),
        ):
            keys, known = under_test.border.keys, under_test.border.sealing_keys
            await eventually(lambda: known.of(PEER) == own.in_use.sealing.public)
            keys.expire(NOW + 2 * LIFE)
            crl = certificates.authority.revocation_list(others, 1, NOW).public_bytes(Encoding.DER)
            hub.put(WatchResponse(federation_revision=1, revocation_lists=[RevocationList(crl=crl)]))
            await eventually(lambda: len(keys.revocations.lists()) == 1)
            assert known.of(PEER) == own.in_use.sealing.public
            assert former.signing is not None
            serial = former.signing.certificate.serial_number
            crl = certificates.authority.revocation_list([*others, serial], 2, NOW).public_bytes(Encoding.DER)
            hub.put(WatchResponse(federation_revision=1, revocation_lists=[RevocationList(crl=crl)]))
            await eventually(lambda: known.of(PEER) is None)

    asyncio.run(story())


def test_a_node_that_restarts_without_the_authority_above_an_issuer_still_knows_what_that_issuer_revoked(
    certificates: Certificates, tmp_path: Path
) -> None:
    """The successor certifies key and name of the issuer, which then publishes on."""

    async def story() -> None:
        key, present = ec.generate_private_key(ec.SECP256R1()), new_authority()
        former, issuer = (
            each.issue_issuer("henan", NOW - HOUR, NOW + LIFE, key) for each in (certificates.authority, present)
        )
        operator = parse(f"spiffe://{FEDERATION}/region/henan/operator/crm", FEDERATION)
        revoked = issuer.issue_tls(operator, NOW, NOW + LIFE).certificate

        def told(by: Authority, number: int, *serials: int) -> WatchResponse:
            crl = by.revocation_list(serials, number, NOW).public_bytes(Encoding.DER)
            own = by.certificate.public_bytes(Encoding.DER)
            lists = [RevocationList(crl=crl, issuer_certificate=own)]
            return WatchResponse(federation_revision=1, revocation_lists=lists)

        async with (
            coordinator(certificates) as hub,
            node(certificates, tmp_path / "data", hub.endpoint) as under_test,
            running(under_test.client.follow()),
        ):
            await eventually(lambda: under_test.current.revision == 1)
            hub.put(told(former, 1, revoked.serial_number))
            # Further members are told once the state with the list is kept on disk.
            await eventually(lambda: under_test.border.keys.revocations.names(revoked))
            hub.put(WatchResponse(federation_revision=1, members=[member(PEER)]))
            await eventually(lambda: PEER in under_test.current.state().members)
        certificates.authority = present
        async with (
            coordinator(certificates) as hub,
            node(certificates, tmp_path / "data", hub.endpoint) as under_test,
        ):
            assert under_test.border.keys.revocations.names(revoked)
            async with running(under_test.client.follow()):
                later, lists = told(issuer, 2, revoked.serial_number, 8), under_test.border.keys.revocations.lists
                hub.put(later)
                await eventually(lambda: list(lists()) == list(later.revocation_lists))

    asyncio.run(story())
