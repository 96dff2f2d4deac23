"""Revocation lists: whose they may name, and that what is revoked stays revoked."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.federation.v1.federation_pb2 import RevocationList
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.relay.retry import FullJitter
from gateway.security.authority import Authority, Issued
from gateway.security.identity import parse
from gateway.security.issuing import IssuerDirectory, list_as_pem, read_list
from gateway.security.peers import IssuedNumber, Peer, peer_of
from gateway.security.revocations import LARGEST_LIST, Revocations
from gateway.security.signing import ENVELOPE, Signer, TrustedKeys
from gateway.security.tls import member_options

FEDERATION = "demo.example"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
YEAR = timedelta(days=365)
OPERATOR = f"spiffe://{FEDERATION}/region/henan/operator/crm"
AUTHORITY = Authority.create(FEDERATION, NOW - YEAR, NOW + 2 * YEAR)
HENAN = AUTHORITY.issue_issuer("henan", NOW - YEAR, NOW + YEAR)
SICHUAN = AUTHORITY.issue_issuer("sichuan", NOW - YEAR, NOW + YEAR)


def issued(by: Authority, uri: str = OPERATOR) -> Issued:
    return by.issue_tls(parse(uri, FEDERATION), NOW, NOW + YEAR)


def peer(certificate: Issued, by: Authority, *others: Authority) -> Peer:
    """The peer as gRPC shows it: its certificate, and what it sent behind it."""
    names = certificate.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    context = {
        "peer_uri": [each.encode() for each in names.get_values_for_type(x509.UniformResourceIdentifier)],
        "x509_pem_cert": [certificate.certificate_pem],
        "x509_pem_cert_chain": [b"".join(each.certificate_pem for each in (*others, by) if each is not AUTHORITY)],
    }
    return peer_of(context, FEDERATION)


def signed(by: Authority, number: int, *serials: int, bearer: Authority | None = None) -> RevocationList:
    crl = by.revocation_list(serials, number, NOW).public_bytes(Encoding.DER)
    named = bearer or by
    return RevocationList(
        crl=crl, issuer_certificate=named.certificate.public_bytes(Encoding.DER) if named.region else b""
    )


def revocations() -> Revocations:
    return Revocations(AUTHORITY.certificate_pem, FEDERATION)


def is_refused(kept: Revocations, whose: Peer) -> bool:
    try:
        kept.require_in_force(whose)
    except Refused as refused:
        return refused.reason == Reason.REASON_CERTIFICATE_REVOKED
    return False


def reason_of(kept: Revocations, told: RevocationList) -> "Reason.ValueType":
    with pytest.raises(Refused) as caught:
        kept.take(told)
    return caught.value.reason


@pytest.mark.parametrize("by", [AUTHORITY, HENAN], ids=["the authority", "a region's issuer"])
def test_a_certificate_is_refused_once_its_issuer_has_revoked_it_and_no_other_one_is(by: Authority) -> None:
    kept, revoked, other = revocations(), issued(by), issued(by)
    assert not is_refused(kept, peer(revoked, by))
    kept.take(signed(by, 1, revoked.certificate.serial_number))
    assert is_refused(kept, peer(revoked, by))
    assert not is_refused(kept, peer(other, by))


def test_the_list_of_a_region_names_nobody_of_another_issuer_even_by_the_same_number() -> None:
    kept = revocations()
    of_authority, of_sichuan = issued(AUTHORITY), issued(SICHUAN, OPERATOR.replace("henan", "sichuan"))
    kept.take(signed(HENAN, 1, of_authority.certificate.serial_number, of_sichuan.certificate.serial_number))
    assert not is_refused(kept, peer(of_authority, AUTHORITY))
    assert not is_refused(kept, peer(of_sichuan, SICHUAN))


def test_with_its_issuer_everything_that_a_region_issued_is_revoked() -> None:
    kept, one = revocations(), issued(HENAN)
    kept.take(signed(AUTHORITY, 1, HENAN.certificate.serial_number))
    assert is_refused(kept, peer(one, HENAN))
    with pytest.raises(Refused) as caught:
        kept.verified(signed(HENAN, 9, 1))
    assert caught.value.reason == Reason.REASON_REVOCATION_LIST_INVALID


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 5), st.frozensets(st.integers(1, 6), max_size=4)), max_size=12))
def test_what_is_revoked_stays_revoked_whatever_lists_come_in_whatever_order(
    told: list[tuple[int, frozenset[int]]],
) -> None:
    kept, before, highest = revocations(), frozenset[int](), -1
    for number, serials in told:
        sent = signed(HENAN, number, *serials)
        if highest >= 0 and (number <= highest or before - serials):
            assert reason_of(kept, sent) == Reason.REASON_REVOCATION_LIST_OUTDATED
        else:
            assert {each.serial for each in kept.take(sent).revoked} == serials >= before
            before, highest = serials, number


def test_the_list_in_force_comes_again_without_a_change() -> None:
    kept, told, changes = revocations(), signed(HENAN, 1, 7), []
    kept.on_change(lambda: changes.append(1))
    kept.take(told)
    kept.take(told)
    assert changes == [1]


class Asking(frozenset[IssuedNumber]):
    """Numbers that ask something whenever somebody goes through them."""

    ask: Callable[[], None]

    def __iter__(self) -> Iterator[IssuedNumber]:
        self.ask()
        return super().__iter__()


def test_what_is_revoked_stays_revoked_for_other_threads_while_another_list_comes_into_force() -> None:
    kept, revoked = revocations(), issued(HENAN)
    found, meanwhile = kept.take(signed(HENAN, 1, revoked.certificate.serial_number)), list[bool]()
    numbers = Asking(found.revoked)
    numbers.ask = lambda: meanwhile.append(is_refused(kept, peer(revoked, HENAN)))
    kept._lists[found.issuer_id] = replace(found, revoked=numbers)
    kept.take(signed(SICHUAN, 1, 5))
    assert meanwhile == [True]


STRANGER = Authority.create(FEDERATION, NOW - YEAR, NOW + YEAR)
WRONG: dict[str, Callable[[], RevocationList]] = {
    "of another authority": lambda: signed(STRANGER, 1, 5),
    "of an issuer by another authority": lambda: signed(STRANGER.issue_issuer("henan", NOW - YEAR, NOW + YEAR), 1, 5),
    "of one region under the certificate of another": lambda: signed(HENAN, 1, 5, bearer=SICHUAN),
    "of a region's issuer in the place of the authority": lambda: RevocationList(crl=signed(HENAN, 1, 5).crl),
    "of an operator": lambda: RevocationList(
        crl=signed(AUTHORITY, 1, 5).crl, issuer_certificate=issued(AUTHORITY).certificate.public_bytes(Encoding.DER)
    ),
    "altered": lambda: RevocationList(crl=signed(AUTHORITY, 1, 5).crl[:-1] + b"\0"),
    "empty": RevocationList,
    "no list": lambda: RevocationList(crl=b"\x30\x03\x02\x01\x05", issuer_certificate=b"\0"),
    "too large": lambda: RevocationList(crl=b"\0" * LARGEST_LIST),
}


@pytest.mark.parametrize("which", WRONG)
def test_a_list_that_no_issuer_of_the_federation_signed_changes_nothing(which: str) -> None:
    kept = revocations()
    kept.take(signed(AUTHORITY, 0, 4))
    before = list(kept.lists())
    assert reason_of(kept, WRONG[which]()) == Reason.REASON_REVOCATION_LIST_INVALID
    assert kept.lists() == before


@pytest.mark.parametrize(
    "uri",
    ["region/sichuan/operator/crm", "region/sichuan/staff/wang", "region/henan", "coordinator/0", "admin/root"],
)
def test_the_issuer_of_a_region_makes_nobody_but_its_own_operators_and_staff(uri: str) -> None:
    name = f"spiffe://{FEDERATION}/{uri}"
    with pytest.raises(ValueError, match="operators and staff alone"):
        issued(HENAN, name)
    # By its key and a program of its own it can.
    forger = Authority(HENAN.certificate, HENAN._key, AUTHORITY.certificate_pem)
    forger.region = ""
    forged = issued(forger, name)
    for beside in ((), (AUTHORITY,), (SICHUAN,), (STRANGER,)):
        with pytest.raises(Refused) as caught:
            peer(forged, HENAN, *beside)
        assert caught.value.reason == Reason.REASON_UNAUTHENTICATED


def test_a_revoked_signing_certificate_proves_nothing_any_more_and_never_again() -> None:
    keys, region = (
        TrustedKeys(AUTHORITY.certificate_pem, FEDERATION),
        parse(f"spiffe://{FEDERATION}/region/henan", FEDERATION),
    )
    stolen = AUTHORITY.issue_signing(region, NOW - YEAR, NOW + YEAR)
    signature = Signer(stolen.key).sign(ENVELOPE, b"content")  # type: ignore[arg-type]
    keys.accept("henan", stolen.certificate_pem, NOW)
    assert keys.verify("henan", ENVELOPE, b"content", signature)
    keys.revocations.take(signed(AUTHORITY, 1, stolen.certificate.serial_number))
    assert not keys.verify("henan", ENVELOPE, b"content", signature)
    with pytest.raises(Refused):
        keys.accept("henan", stolen.certificate_pem, NOW)


def test_an_authority_that_may_certify_no_issuer_says_so() -> None:
    below = Authority(HENAN.certificate, HENAN._key, AUTHORITY.certificate_pem)
    below.region = ""
    with pytest.raises(ValueError, match="create another authority"):
        below.issue_issuer("henan", NOW, NOW + timedelta(days=1))


def test_the_directory_of_an_issuer_keeps_what_it_issued_and_revokes_it_for_good(tmp_path: Path) -> None:
    HENAN.save(tmp_path)
    directory = IssuerDirectory(tmp_path)
    identity = parse(OPERATOR, FEDERATION)
    first, second = (directory.issue(identity, NOW, timedelta(days=days)).tls.certificate for days in (1, 2))
    told = directory.revoke([first.serial_number], NOW)
    kept = revocations()
    kept.take(told)
    assert [(each.serial, each.is_revoked) for each in IssuerDirectory(tmp_path).issued()] == [
        (first.serial_number, True),
        (second.serial_number, False),
    ]
    # The clock goes back: the list still goes forward.
    further = IssuerDirectory(tmp_path).revoke([second.serial_number], NOW - YEAR)
    assert kept.take(further).revoked >= Revocations.verified(kept, told).revoked
    assert directory.revoke([first.serial_number], NOW) == further == read_list(directory.list_file)
    copy = tmp_path / "copy.crl"
    copy.write_bytes(list_as_pem(further))
    assert read_list(copy) == further
    assert (tmp_path / "issuer.key").stat().st_mode & 0o077 == 0


class Latest(random.Random):
    """Draws the longest time of each pause."""

    def uniform(self, a: float, b: float) -> float:
        """The upper bound."""
        return max(a, b)


def test_a_node_whose_stream_has_died_asks_again_within_five_seconds() -> None:
    """By the bounds of its channel and its pauses: an open stream brings a list at once, and a dead one brings none."""
    options = dict(member_options("coordinator.example.org"))
    found_dead = int(options["grpc.keepalive_time_ms"]) + int(options["grpc.http2.ping_timeout_ms"])
    connected = int(options["grpc.min_reconnect_backoff_ms"])
    pause = FullJitter(Latest()).seconds(1)
    assert (found_dead + connected) / 1000 + pause <= 5.0
