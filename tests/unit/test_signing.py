"""Signatures of regions, and whose keys are trusted."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.security.authority import Authority, Issued
from gateway.security.identity import Identity, parse
from gateway.security.private_keys import PrivateKey
from gateway.security.signing import AUDIT_HEAD, ENVELOPE, RECEIPT, Signer, TrustedKeys

FEDERATION = "demo.example"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
CONTENT = b"the exact bytes that travelled"


def identity(path: str) -> Identity:
    return parse(f"spiffe://{FEDERATION}/{path}", FEDERATION)


SICHUAN = identity("region/sichuan")


@pytest.fixture(scope="module", name="authority")
def an_authority() -> Authority:
    return Authority.create(FEDERATION, NOW - 30 * DAY, NOW + 30 * DAY)


@pytest.fixture(name="trusted")
def nobody_trusted_yet(authority: Authority) -> TrustedKeys:
    return TrustedKeys(authority.certificate_pem, FEDERATION)


def signing(authority: Authority, who: Identity = SICHUAN, after: timedelta = timedelta(0)) -> Issued:
    return authority.issue_signing(who, NOW - DAY + after, NOW + DAY)


def succession(authority: Authority, count: int, apart: timedelta = timedelta(seconds=1)) -> list[Issued]:
    """Certificates of Sichuan, the oldest first: of those of the same second the one with the lower serial number."""
    issued = [signing(authority, after=number * apart) for number in range(count)]
    return sorted(issued, key=lambda each: (each.certificate.not_valid_before_utc, each.certificate.serial_number))


def signer(issued: Issued) -> Signer:
    assert isinstance(issued.key, Ed25519PrivateKey)
    return Signer(issued.key)


def refused(trusted: TrustedKeys, pem: bytes, now: datetime = NOW) -> str:
    """The problem for which the certificate is refused as Sichuan's."""
    with pytest.raises(Refused) as refusal:
        trusted.accept("sichuan", pem, now)
    assert refusal.value.reason == Reason.REASON_REQUEST_INVALID
    assert refusal.value.parameters["field"] == "signing_certificate"
    return refusal.value.parameters["problem"]


def test_what_a_region_signed_verifies_with_its_accepted_key(authority: Authority, trusted: TrustedKeys) -> None:
    issued = signing(authority)
    trusted.accept("sichuan", issued.certificate_pem, NOW)
    signature = signer(issued).sign(ENVELOPE, CONTENT)
    assert len(signature) == 64
    assert trusted.verify("sichuan", ENVELOPE, CONTENT, signature)


def test_the_signature_is_over_the_domain_a_zero_byte_and_the_content(authority: Authority) -> None:
    issued = signing(authority)
    assert isinstance(issued.key, Ed25519PrivateKey)
    signature = signer(issued).sign(RECEIPT, CONTENT)
    issued.key.public_key().verify(signature, b"crossregion.receipt.v1\x00" + CONTENT)


@given(position=st.integers(min_value=0, max_value=len(CONTENT) * 8 - 1))
def test_no_bit_of_the_content_can_be_altered(position: int) -> None:
    authority = Authority.create(FEDERATION, NOW - DAY, NOW + DAY)
    issued = signing(authority)
    trusted = TrustedKeys(authority.certificate_pem, FEDERATION)
    trusted.accept("sichuan", issued.certificate_pem, NOW)
    signature = signer(issued).sign(ENVELOPE, CONTENT)
    altered = bytearray(CONTENT)
    altered[position // 8] ^= 1 << position % 8
    assert not trusted.verify("sichuan", ENVELOPE, bytes(altered), signature)


def test_a_signature_serves_one_purpose_only(authority: Authority, trusted: TrustedKeys) -> None:
    issued = signing(authority)
    trusted.accept("sichuan", issued.certificate_pem, NOW)
    signature = signer(issued).sign(ENVELOPE, CONTENT)
    assert not trusted.verify("sichuan", RECEIPT, CONTENT, signature)
    assert not trusted.verify("sichuan", AUDIT_HEAD, CONTENT, signature)


def test_a_signature_is_no_other_regions(authority: Authority, trusted: TrustedKeys) -> None:
    henan = signing(authority, identity("region/henan"))
    trusted.accept("sichuan", signing(authority).certificate_pem, NOW)
    trusted.accept("henan", henan.certificate_pem, NOW)
    signature = signer(henan).sign(ENVELOPE, CONTENT)
    assert trusted.verify("henan", ENVELOPE, CONTENT, signature)
    assert not trusted.verify("sichuan", ENVELOPE, CONTENT, signature)


@pytest.mark.parametrize("signature", [b"", b"\0" * 63, b"\0" * 64, b"\0" * 65])
def test_bytes_that_are_no_signature_do_not_verify(
    authority: Authority, trusted: TrustedKeys, signature: bytes
) -> None:
    trusted.accept("sichuan", signing(authority).certificate_pem, NOW)
    assert not trusted.verify("sichuan", ENVELOPE, CONTENT, signature)


@pytest.mark.guarantee("G14")
def test_a_region_without_an_accepted_key_signs_nothing(authority: Authority, trusted: TrustedKeys) -> None:
    assert not trusted.verify("sichuan", ENVELOPE, CONTENT, signer(signing(authority)).sign(ENVELOPE, CONTENT))


def test_what_was_signed_before_a_rotation_still_verifies_but_not_what_is_older(
    authority: Authority, trusted: TrustedKeys
) -> None:
    keys = succession(authority, 3)
    signatures = [signer(each).sign(ENVELOPE, CONTENT) for each in keys]
    for each in keys:
        trusted.accept("sichuan", each.certificate_pem, NOW)
    assert [trusted.verify("sichuan", ENVELOPE, CONTENT, each) for each in signatures] == [False, True, True]


@pytest.mark.parametrize("apart", [timedelta(0), timedelta(seconds=1), timedelta(hours=1)])
def test_a_former_certificate_that_is_shown_again_changes_nothing(
    authority: Authority, trusted: TrustedKeys, apart: timedelta
) -> None:
    keys = succession(authority, 3, apart)
    signatures = [signer(each).sign(ENVELOPE, CONTENT) for each in keys]
    for each in keys:
        trusted.accept("sichuan", each.certificate_pem, NOW)
    assert "issued later" in refused(trusted, keys[0].certificate_pem)
    trusted.accept("sichuan", keys[1].certificate_pem, NOW)
    assert trusted.newest("sichuan") == keys[2].certificate_pem
    last = signing(authority, after=3 * apart + timedelta(seconds=1))
    trusted.accept("sichuan", last.certificate_pem, NOW)
    assert [trusted.verify("sichuan", ENVELOPE, CONTENT, each) for each in signatures] == [False, False, True]


def test_a_former_certificate_is_not_trusted_once_the_newest_has_run_out(
    authority: Authority, trusted: TrustedKeys
) -> None:
    former = authority.issue_signing(SICHUAN, NOW - DAY, NOW + 9 * DAY)
    newest = authority.issue_signing(SICHUAN, NOW - DAY + timedelta(hours=1), NOW + DAY)
    trusted.accept("sichuan", newest.certificate_pem, NOW)
    trusted.expire(NOW + 2 * DAY)
    assert "issued later" in refused(trusted, former.certificate_pem, NOW + 2 * DAY)


def test_of_two_certificates_of_one_second_all_trust_the_same_one_as_newest_whichever_they_saw_first(
    authority: Authority,
) -> None:
    former, present = succession(authority, 2, timedelta(0))
    one, other = (TrustedKeys(authority.certificate_pem, FEDERATION) for _ in range(2))
    for each in (former, present, former, present):
        one.accept("sichuan", each.certificate_pem, NOW)
    other.accept("sichuan", present.certificate_pem, NOW)
    assert "issued later" in refused(other, former.certificate_pem)
    assert [each.newest("sichuan") for each in (one, other)] == [present.certificate_pem] * 2


def test_the_newest_certificate_is_trusted_again_after_the_clock_was_ahead_for_a_while(
    authority: Authority, trusted: TrustedKeys
) -> None:
    issued = signing(authority)
    trusted.accept("sichuan", issued.certificate_pem, NOW)
    trusted.expire(NOW + 2 * DAY)
    trusted.accept("sichuan", issued.certificate_pem, NOW)
    assert trusted.verify("sichuan", ENVELOPE, CONTENT, signer(issued).sign(ENVELOPE, CONTENT))


def variants(pem: bytes) -> list[bytes]:
    """The same certificate as it can be written otherwise."""
    der = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    # ECDSA: (r, n - s) is a signature of the same content, too.
    signature = x509.load_pem_x509_certificate(pem).signature
    r, s = decode_dss_signature(signature)
    other = encode_dss_signature(r, P256_ORDER - s)
    body = der[4 : -len(signature) - 3] + bytes([3, len(other) + 1, 0]) + other
    twin = x509.load_der_x509_certificate(b"\x30\x82" + len(body).to_bytes(2, "big") + body)
    assert twin.signature != signature
    around = [b"# %d\n" % number for number in range(8)]
    return [
        *(pem + each for each in around),
        *(each + pem for each in around),
        pem.replace(b"\n", b"\r\n"),
        twin.public_bytes(Encoding.PEM),
    ]


def test_a_certificate_is_the_same_one_whatever_stands_around_it(authority: Authority, trusted: TrustedKeys) -> None:
    former, present = succession(authority, 2)
    changes = Counter[str]()
    for each in (former, present):
        trusted.accept("sichuan", each.certificate_pem, NOW)
    for each in (present, former):
        for variant in variants(each.certificate_pem):
            told = trusted.accept("sichuan", variant, NOW, before_change=lambda: changes.update(["change"]))
            assert told == each.certificate_pem
    assert not changes
    assert trusted.newest("sichuan") == present.certificate_pem
    for each in (former, present):
        assert trusted.verify("sichuan", ENVELOPE, CONTENT, signer(each).sign(ENVELOPE, CONTENT))
    again = TrustedKeys(authority.certificate_pem, FEDERATION)
    assert again.accept("sichuan", variants(present.certificate_pem)[0], NOW) == present.certificate_pem
    assert again.newest("sichuan") == present.certificate_pem


def test_a_certificate_is_refused_in_both_languages(authority: Authority, trusted: TrustedKeys) -> None:
    with pytest.raises(Refused) as refusal:
        trusted.accept("henan", signing(authority).certificate_pem, NOW)
    told = refusal.value.parameters
    assert told["problem"].startswith("not issued to ")
    assert told["problem_zh_cn"].startswith("不是仅签发给")


def test_several_certificates_in_one_are_refused(authority: Authority, trusted: TrustedKeys) -> None:
    pem = signing(authority).certificate_pem
    for each in (pem + pem, pem + authority.certificate_pem):
        assert "2 certificates" in refused(trusted, each)


def test_a_change_that_is_not_allowed_leaves_the_trusted_keys_in_force(
    authority: Authority, trusted: TrustedKeys
) -> None:
    former, present, another = succession(authority, 3)
    for each in (former, present):
        trusted.accept("sichuan", each.certificate_pem, NOW)

    def too_many() -> None:
        raise Refused(Reason.REASON_HEARTBEATS_TOO_MANY, region="sichuan")

    with pytest.raises(Refused):
        trusted.accept("sichuan", another.certificate_pem, NOW, before_change=too_many)
    assert trusted.newest("sichuan") == present.certificate_pem
    signed = [signer(each).sign(ENVELOPE, CONTENT) for each in (former, present, another)]
    assert [trusted.verify("sichuan", ENVELOPE, CONTENT, each) for each in signed] == [True, True, False]


def test_accepting_one_certificate_again_and_again_drops_no_other(authority: Authority, trusted: TrustedKeys) -> None:
    former, present = succession(authority, 2)
    for each in (former, present, present, present):
        trusted.accept("sichuan", each.certificate_pem, NOW)
    assert trusted.verify("sichuan", ENVELOPE, CONTENT, signer(former).sign(ENVELOPE, CONTENT))


def test_a_key_whose_certificate_has_run_out_is_forgotten(authority: Authority, trusted: TrustedKeys) -> None:
    issued = signing(authority)
    signature = signer(issued).sign(ENVELOPE, CONTENT)
    trusted.accept("sichuan", issued.certificate_pem, NOW)
    trusted.expire(NOW + DAY)
    assert trusted.verify("sichuan", ENVELOPE, CONTENT, signature)
    trusted.expire(NOW + 2 * DAY)
    assert not trusted.verify("sichuan", ENVELOPE, CONTENT, signature)


def test_the_keys_of_two_authorities_are_trusted_while_one_replaces_the_other(authority: Authority) -> None:
    fresh = Authority.create(FEDERATION, NOW - DAY, NOW + 90 * DAY)
    trusted = TrustedKeys(authority.certificate_pem + fresh.certificate_pem, FEDERATION)
    for number, issuer in enumerate((authority, fresh)):
        issued = signing(issuer, after=number * timedelta(seconds=1))
        trusted.accept("sichuan", issued.certificate_pem, NOW)
        assert trusted.verify("sichuan", ENVELOPE, CONTENT, signer(issued).sign(ENVELOPE, CONTENT))


def test_a_certificate_of_another_authority_is_refused_though_it_bears_the_same_name(
    trusted: TrustedKeys,
) -> None:
    impostor = Authority.create(FEDERATION, NOW - 30 * DAY, NOW + 30 * DAY)
    assert "not issued by the authority" in refused(trusted, signing(impostor).certificate_pem)


@pytest.mark.parametrize("now", [NOW - 2 * DAY, NOW + 2 * DAY])
def test_a_certificate_out_of_its_time_is_refused(authority: Authority, trusted: TrustedKeys, now: datetime) -> None:
    pem = signing(authority).certificate_pem
    assert "expired" in refused(trusted, pem, now)
    trusted.accept("sichuan", pem, NOW)
    assert "expired" in refused(trusted, pem, now)


def test_a_certificate_of_another_region_is_refused(authority: Authority, trusted: TrustedKeys) -> None:
    pem = signing(authority, identity("region/henan")).certificate_pem
    assert "not issued to" in refused(trusted, pem)


def test_a_tls_certificate_of_the_region_is_refused_as_a_signing_certificate(
    authority: Authority, trusted: TrustedKeys
) -> None:
    pem = authority.issue_tls(SICHUAN, NOW - DAY, NOW + DAY).certificate_pem
    assert "Ed25519" in refused(trusted, pem)


@pytest.mark.parametrize(
    "pem",
    [b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"],
)
def test_bytes_that_are_no_certificate_are_refused(trusted: TrustedKeys, pem: bytes) -> None:
    assert refused(trusted, pem)


def test_a_refused_certificate_leaves_the_trusted_key_in_force(authority: Authority, trusted: TrustedKeys) -> None:
    issued = signing(authority)
    trusted.accept("sichuan", issued.certificate_pem, NOW)
    refused(trusted, b"garbage")
    assert trusted.verify("sichuan", ENVELOPE, CONTENT, signer(issued).sign(ENVELOPE, CONTENT))


def test_a_certificate_that_is_no_authority_cannot_be_the_trusted_one(authority: Authority) -> None:
    with pytest.raises(ValueError, match="no authority"):
        TrustedKeys(signing(authority).certificate_pem, FEDERATION)


def test_a_signer_is_loaded_from_the_file_that_the_authority_wrote(
    authority: Authority, trusted: TrustedKeys, tmp_path: Path
) -> None:
    authority.issue(SICHUAN, NOW - DAY, NOW + DAY).write(tmp_path)
    trusted.accept("sichuan", (tmp_path / "signing.crt").read_bytes(), NOW)
    signature = Signer.load(tmp_path / "signing.key").sign(ENVELOPE, CONTENT)
    assert trusted.verify("sichuan", ENVELOPE, CONTENT, signature)


@pytest.mark.parametrize("name", ["tls.key", "signing.crt"])
def test_a_file_without_an_ed25519_key_makes_no_signer(authority: Authority, tmp_path: Path, name: str) -> None:
    authority.issue(SICHUAN, NOW - DAY, NOW + DAY).write(tmp_path)
    with pytest.raises(ValueError, match=name):
        Signer.load(tmp_path / name)


# What an authority that is not ours could issue in error.

NO_AUTHORITY = x509.BasicConstraints(ca=False, path_length=None)
AN_AUTHORITY = x509.BasicConstraints(ca=True, path_length=None)
ENCIPHERS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=True,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
HENAN_URI = "spiffe://demo.example/region/henan"


def issue_by_hand(
    uris: Sequence[str],
    extensions: Sequence[x509.ExtensionType],
    names: Sequence[x509.GeneralName] = (),
    lifetime: timedelta = DAY,
) -> tuple[TrustedKeys, bytes]:
    """Keys that trust an authority, and what it issued with these URIs and critical extensions."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([])
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "by hand")])

    def builder(name: x509.Name, owner: PrivateKey, until: timedelta) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder(issuer_name=issuer, subject_name=name, public_key=owner.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - DAY)
            .not_valid_after(NOW + until)
        )

    authority = builder(issuer, key, DAY).add_extension(AN_AUTHORITY, critical=True).sign(key, hashes.SHA256())
    leaf = builder(subject, Ed25519PrivateKey.generate(), lifetime)
    alternatives = [*(x509.UniformResourceIdentifier(uri) for uri in uris), *names]
    if alternatives:
        leaf = leaf.add_extension(x509.SubjectAlternativeName(alternatives), critical=True)
    for extension in extensions:
        leaf = leaf.add_extension(extension, critical=True)
    trusted = TrustedKeys(authority.public_bytes(Encoding.PEM), FEDERATION)
    return trusted, leaf.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_a_certificate_of_any_authority_with_the_right_parts_is_accepted() -> None:
    trusted, pem = issue_by_hand([SICHUAN.uri], [NO_AUTHORITY])
    trusted.accept("sichuan", pem, NOW)


@pytest.mark.parametrize(
    ("uris", "extensions", "problem"),
    [
        ([], [], "not issued to"),
        ([SICHUAN.uri, HENAN_URI], [], "not issued to"),
        ([SICHUAN.uri, SICHUAN.uri], [], "not issued to"),
        ([SICHUAN.uri + "/staff/li"], [], "not issued to"),
        ([SICHUAN.uri], [AN_AUTHORITY], "authority"),
        ([SICHUAN.uri], [ENCIPHERS], "not for signatures"),
        ([SICHUAN.uri], [UNKNOWN], "critical extension"),
    ],
)
def test_a_certificate_with_a_wrong_part_is_refused(
    uris: Sequence[str], extensions: Sequence[x509.ExtensionType], problem: str
) -> None:
    trusted, pem = issue_by_hand(uris, extensions)
    assert problem in refused(trusted, pem)


def test_a_dns_name_with_the_text_of_the_uri_is_not_the_uri() -> None:
    trusted, pem = issue_by_hand([], [], names=[x509.DNSName(SICHUAN.uri)])
    assert "not issued to" in refused(trusted, pem)


def test_a_certificate_ends_with_the_authority_that_issued_it() -> None:
    trusted, pem = issue_by_hand([SICHUAN.uri], [], lifetime=9 * DAY)
    trusted.accept("sichuan", pem, NOW + DAY)
    assert "authority" in refused(trusted, pem, NOW + 2 * DAY)
