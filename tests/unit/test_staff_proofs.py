"""Proofs of the member of staff who acts through an operator system: which are believed, and which are not."""

import base64
import hashlib
import hmac
import json
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.federation.v1.federation_pb2 import RevocationList
from gateway.api.types.v1.access_pb2 import Role
from gateway.errors import Refused, reason_name
from gateway.security.authority import Authority, Issued
from gateway.security.identity import Identity, parse
from gateway.security.provider_tokens import SKEW, IdentityProvider, VerifyingKey, provider_keys
from gateway.security.revocations import Revocations
from gateway.security.staff_proofs import LARGEST_PROOF, LONGEST_STATEMENT, StaffProof, StaffProofs, statement_for
from gateway.security.tls import Credentials

FEDERATION = "crossregion.example"
NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
NODE = Identity(FEDERATION, Role.ROLE_REGION, "sichuan", "")
WANG = Identity(FEDERATION, Role.ROLE_STAFF, "sichuan", "wang")
COUNTER, CRM = (Identity(FEDERATION, Role.ROLE_OPERATOR, "sichuan", name) for name in ("counter", "crm"))
ISSUER, AUDIENCE = "https://id.example", "crossregion"
Claims = Mapping[str, object]
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
NONE: Claims = {}
SELF: Claims = {"preferred_username": "self-service"}
RSA = rsa.generate_private_key(65537, 2048)


def member(path: str) -> Identity:
    return parse(f"spiffe://{FEDERATION}/{path}", FEDERATION)


class Region:
    """The authority, the issuer of Sichuan, and its node's verifier."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.token = ""
        self.authority = Authority.create(FEDERATION, NOW - HOUR, NOW + 3 * HOUR)
        self.issuer = self.authority.issue_issuer("sichuan", NOW - HOUR, NOW + 3 * HOUR)
        self.revocations = Revocations(self.authority.certificate_pem, FEDERATION)
        self.keys: Mapping[str, VerifyingKey] = {"a": RSA.public_key()}
        provider = IdentityProvider(ISSUER, AUDIENCE, "preferred_username", lambda: self.keys)
        self.proofs = StaffProofs(NODE, self.revocations, provider)

    def issued(self, path: str = "region/sichuan/staff/wang", by: Authority | None = None) -> Issued:
        """A certificate that begins and ends around now, by the region's issuer."""
        return (by or self.issuer).issue_tls(member(path), NOW - HOUR, NOW + HOUR)

    def statement(self, life: timedelta = 5 * MINUTE, now: datetime = NOW, by: Authority | None = None) -> str:
        """As the command makes it."""
        by, files = by or self.issuer, self._files
        issued = self.issued(by=by)
        files.authority.write_bytes(by.trusted_pem)
        files.certificate.write_bytes(issued.certificate_pem + by.chain_pem)
        files.key.write_bytes(issued.key_pem)
        return statement_for(files, "counter", now, life)

    @property
    def _files(self) -> Credentials:
        return Credentials(*(self._directory / name for name in ("authority.crt", "tls.crt", "tls.key")))

    def revoke(self, *serials: int) -> None:
        crl = self.issuer.revocation_list(serials, 1, NOW).public_bytes(Encoding.DER)
        self.revocations.take(
            RevocationList(crl=crl, issuer_certificate=self.issuer.certificate.public_bytes(Encoding.DER))
        )

    def verified(
        self, token: str, operator: Identity = COUNTER, now: datetime = NOW, client_id: str = "counter"
    ) -> StaffProof:
        return self.proofs.verified(token, operator, client_id, now)

    def told(self, token: str, operator: Identity = COUNTER, now: datetime = NOW, client_id: str = "counter") -> str:
        """The reason of the refusal with its problem; the staff id of a proof that is believed."""
        try:
            return self.verified(token, operator, now, client_id).staff_id
        except Refused as refused:
            return f"{reason_name(refused.reason)} {refused.parameters.get('problem', '')}".strip()


def forged(
    owner: Issued, *chain: Authority, key: PrivateKey | None = None, header: Claims = NONE, **change: object
) -> str:
    """A statement of Wang by this certificate with its issuers, with other claims and headers; None leaves one out."""
    claims = {
        "iss": WANG.uri,
        "sub": WANG.uri,
        "aud": NODE.uri,
        "azp": COUNTER.uri,
        "iat": int(NOW.timestamp()),
        "exp": int((NOW + 5 * MINUTE).timestamp()),
        "jti": "s-1",
    }
    certificates = [owner.certificate, *(each.certificate for each in chain)]
    x5c = [base64.b64encode(each.public_bytes(Encoding.DER)).decode() for each in certificates]
    told = {name: value for name, value in {**claims, **change}.items() if value is not None}
    used = key or owner.key
    assert isinstance(used, PrivateKey)
    return signed(used, {"typ": "staff-statement+jwt", "x5c": x5c, **header}, told)


def opened(token: str) -> tuple[dict[str, object], dict[str, object]]:
    header, claims, _ = token.split(".")
    return unpacked(header), unpacked(claims)


def unpacked(part: str) -> dict[str, object]:
    told: dict[str, object] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return told


def packed(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def signed(key: PrivateKey, header: Claims, claims: Claims) -> str:
    """Signed by an honest library, whatever the header says beside the algorithm of the key."""
    algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
    rest = {name: value for name, value in header.items() if name != "alg" and value is not None}
    return jwt.PyJWS().encode(json.dumps(claims).encode(), key, algorithm, headers=rest)


def access_token(change: Claims = NONE, key: PrivateKey = RSA, kid: str | None = "a") -> str:
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "f81d4fae",
        "client_id": "counter",
        "preferred_username": "wang",
        "iat": int(NOW.timestamp()),
        "exp": int((NOW + 5 * MINUTE).timestamp()),
        "jti": "t-1",
    }
    told = {name: value for name, value in {**claims, **change}.items() if value is not None}
    return signed(key, {"kid": kid, "typ": "at+jwt"}, told)


@pytest.fixture(name="region")
def region_with_an_issuer(tmp_path: Path) -> Region:
    return Region(tmp_path)


@pytest.fixture(name="lasting", scope="module")
def region_of_all_examples(tmp_path_factory: pytest.TempPathFactory) -> Region:
    region = Region(tmp_path_factory.mktemp("region"))
    region.token = region.statement()
    return region


INVALID = "STAFF_PROOF_INVALID"
UNREADABLE = f"{INVALID} it cannot be read, or its signature is wrong"


def test_a_statement_by_the_key_of_a_member_of_staff_proves_that_member(region: Region) -> None:
    for by in (region.issuer, region.authority):
        token = region.statement(by=by)
        proof = region.verified(token)
        assert (proof.staff_id, proof.digest) == ("wang", hashlib.sha256(token.encode()).hexdigest())
        assert proof.told.startswith("staff wang by certificate ")
        assert proof.told.endswith(f", token {opened(token)[1]['jti']}, SHA-256 {proof.digest}")
        assert region.verified(token) is proof, "it is verified once"
    assert region.told(forged(region.issued(), region.issuer)) == "wang", "what the next tests forge is else believed"


def test_nobody_but_staff_of_this_region_makes_a_statement_that_counts(region: Region, tmp_path: Path) -> None:
    stranger, authority = Region(tmp_path), region.authority
    henan = authority.issue_issuer("henan", NOW - HOUR, NOW + HOUR)
    forger = Authority(henan.certificate, henan._key, authority.certificate_pem)  # writes what it likes
    forger.region = ""
    wang = region.issued()
    late = authority.issue_tls(WANG, NOW - HOUR, NOW - MINUTE)
    cases = {
        "of another federation's authority": forged(stranger.issued(), stranger.issuer),
        "of staff of another region": forged(region.issued("region/henan/staff/wang", henan), henan),
        "by the issuer of another region": forged(region.issued(by=forger), henan),
        "of an operator system": forged(region.issued("region/sichuan/operator/wang"), region.issuer),
        "of an administrator": forged(region.issued("admin/wang", authority)),
        "of the region itself": forged(region.issued("region/sichuan", authority)),
        "of the issuer itself": forged(Issued(region.issuer.certificate, region.issuer._key)),
        "of the staff called self-service": forged(region.issued("region/sichuan/staff/self-service"), region.issuer),
        "of a colleague": forged(region.issued("region/sichuan/staff/li"), region.issuer),
        "without the issuer": forged(wang),
        "with the wrong issuer": forged(wang, henan),
        "by another key": forged(wang, region.issuer, key=region.issued().key),
        "by a certificate that has expired": forged(late),
        "in the name of somebody else": forged(wang, region.issuer, sub=f"{WANG.uri}x"),
    }
    for name, token in cases.items():
        assert region.told(token).startswith(INVALID), name


def test_a_statement_counts_for_its_node_its_operator_system_and_its_minutes_alone(region: Region) -> None:
    wang, begin = region.issued(), int(NOW.timestamp())
    elsewhere = f"spiffe://{FEDERATION}/region/henan"
    for aud in (elsewhere, [NODE.uri, elsewhere], None, 7):
        told = region.told(forged(wang, region.issuer, aud=aud))
        assert told == f"{INVALID} it is made for another node", aud
    for azp in (CRM.uri, "counter", None):
        assert region.told(forged(wang, region.issuer, azp=azp)) == f"{INVALID} it was given to another operator system"
    assert region.told(region.statement(), CRM) == f"{INVALID} it was given to another operator system"
    lives = {
        (begin, begin + 601): f"{INVALID} it lives longer than 10 minutes",
        (begin, begin): f"{INVALID} it lives longer than 10 minutes",
        (begin + 60, begin + 120): f"{INVALID} it begins in the future",
        (begin - 120, begin - 60): "STAFF_PROOF_EXPIRED",
        (begin, None): f"{INVALID} it has no exp",
        (None, begin): f"{INVALID} it has no iat",
        (begin, float("inf")): f"{INVALID} it has no exp",
        (begin, True): f"{INVALID} it has no exp",
        (begin, "tomorrow"): f"{INVALID} it has no exp",
        (begin, 10**400): f"{INVALID} it has no exp",
        (10**400, 10**400 + 1): f"{INVALID} it has no iat",
        (-1, begin): f"{INVALID} it has no iat",
        (begin + 20, begin + 60): "wang",
    }
    for (iat, exp), told in lives.items():
        assert region.told(forged(wang, region.issuer, iat=iat, exp=exp)) == told, (iat, exp)
    for jti in (None, "", "two words", "x" * 129, 7):
        assert region.told(forged(wang, region.issuer, jti=jti)).startswith(INVALID), jti
    token = region.statement()
    assert region.told(token) == "wang"
    end = region.verified(token).end
    assert (region.told(token, now=end), region.told(token, now=end + MINUTE)) == ("wang", "STAFF_PROOF_EXPIRED")
    assert timedelta(0) <= end - NOW - 5 * MINUTE + timedelta(seconds=1) <= SKEW + timedelta(seconds=1)


def test_no_token_chooses_how_it_is_verified(region: Region) -> None:
    """RFC 8725, 2.1 and 3.1: no signature at all, and the public key taken for a secret."""
    for token, key in ((region.statement(), region.issued().key.public_key()), (access_token(), RSA.public_key())):
        header, claims = opened(token)
        content = packed(json.dumps(claims).encode())
        secrets = (
            key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        )
        for algorithm in ("none", "None", "nOnE", "", "HS256", "HS512", "RS256", "ES256", "EdDSA", "PS256", "ES512"):
            begin = f"{packed(json.dumps({**header, 'alg': algorithm}).encode())}.{content}"
            signatures = [b"", *(hmac.digest(each, begin.encode(), "sha256") for each in secrets)]
            for signature in signatures:
                assert region.told(f"{begin}.{packed(signature)}").startswith(INVALID), algorithm
        weaker = {"jwk": {"kty": "oct", "k": "AA"}, "jku": "https://evil.example", "crit": ["x"], "x": 1}
        for name, value in weaker.items():
            begin = f"{packed(json.dumps({**header, name: value}).encode())}.{content}"
            assert region.told(f"{begin}.{packed(b'x' * 64)}").startswith(INVALID), name


def test_a_token_that_its_key_has_signed_needs_nothing_that_nobody_here_understands(region: Region) -> None:
    """RFC 7515, 4.1.11: an extension that a token calls critical is understood, or the token is refused."""
    _, claims = opened(access_token())
    known = {"kid": "a", "typ": "at+jwt"}
    assert region.told(signed(RSA, {**known, "x": 1}, claims)) == "wang", "what is not critical is nobody's business"
    for critical in (["x"], ["b64"], [], "x"):
        header = {**known, "crit": critical, "x": 1, "b64": True}
        assert region.told(signed(RSA, header, claims)).startswith(INVALID), critical


def test_a_revoked_certificate_proves_nothing_any_more_also_by_a_statement_that_was_believed(region: Region) -> None:
    wang = region.issued()
    token = forged(wang, region.issuer)
    proof = region.verified(token)
    region.revoke(wang.certificate.serial_number)
    told = f"{INVALID} the certificate of the member of staff was revoked"
    assert region.told(token) == region.told(forged(wang, region.issuer, jti="s-2")) == told
    with pytest.raises(Refused):
        region.proofs.require_in_force(proof, NOW)
    assert region.told(region.statement()) == "wang"


def test_a_removed_authority_ends_what_was_believed_by_it(region: Region) -> None:
    token = region.statement()
    assert region.told(token) == "wang"
    region.revocations.replace_authority(Authority.create(FEDERATION, NOW - HOUR, NOW + HOUR).certificate_pem)
    assert region.told(token).startswith(INVALID)


def test_a_token_of_the_identity_provider_proves_the_member_whom_it_names(region: Region) -> None:
    proof = region.verified(access_token())
    assert (proof.staff_id, proof.issuer, proof.token_id, proof.peer) == ("wang", ISSUER, "t-1", None)
    good: list[Claims] = [
        {"aud": ["other", AUDIENCE]},
        {"client_id": None, "azp": "counter"},
        {"azp": "counter"},
        {"jti": None},
    ]
    for change in good:
        assert region.told(access_token(change)) == "wang", change
    assert region.told(access_token(kid=None)) == "wang", "there is one key alone"
    assert region.told(access_token({"client_id": "0a1b"}), client_id="0a1b") == "wang"
    bad: Mapping[str, Claims] = {
        "it is of another issuer": {"iss": f"{ISSUER}/"},
        "it is made for another node": {"aud": "henan"},
        "it was given to another operator system": {"client_id": "crm"},
        "it names no member of staff": {"preferred_username": "wang@example"},
        "it lives longer than 60 minutes": {"exp": int((NOW + 2 * HOUR).timestamp())},
        "it begins in the future": {"nbf": int((NOW + MINUTE).timestamp())},
    }
    for told, change in bad.items():
        assert region.told(access_token(change)) == f"{INVALID} {told}", change
    assert region.told(access_token(kid="b")) == f"{INVALID} its key is none of the identity provider"
    nobody: list[Claims] = [{"client_id": None}, {"azp": "crm"}, {"preferred_username": None}, SELF]
    for change in nobody:
        assert region.told(access_token(change)).startswith(INVALID), change
    other = rsa.generate_private_key(65537, 2048)
    assert region.told(access_token(key=other)) == UNREADABLE
    without = StaffProofs(NODE, region.revocations)
    with pytest.raises(Refused, match="no identity provider is set"):
        without.verified(access_token(), COUNTER, "counter", NOW)


def test_a_token_counts_as_long_as_its_key_is_one_of_the_provider(region: Region) -> None:
    new = ec.generate_private_key(ec.SECP256R1())
    token, next_one = access_token(), access_token(key=new, kid="b")
    assert (region.told(token), region.told(next_one)[: len(INVALID)]) == ("wang", INVALID)
    region.keys = {"a": RSA.public_key(), "b": new.public_key()}
    assert (region.told(token), region.told(next_one)) == ("wang", "wang")
    region.keys = {"b": new.public_key()}
    assert region.told(token) == f"{INVALID} its key is none of the identity provider"
    assert region.told(next_one) == "wang"


def test_the_keys_of_a_provider_are_those_that_sign_and_no_secret_or_weak_one() -> None:
    def entry(key: PublicKey, kid: str, **more: object) -> Claims:
        told: Claims
        if isinstance(key, rsa.RSAPublicKey):
            told = jwt.algorithms.RSAAlgorithm.to_jwk(key, as_dict=True)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            told = jwt.algorithms.ECAlgorithm.to_jwk(key, as_dict=True)
        else:
            told = jwt.algorithms.OKPAlgorithm.to_jwk(key, as_dict=True)
        return {**told, "kid": kid, **more}

    curve, edwards = ec.generate_private_key(ec.SECP256R1()).public_key(), ed25519.Ed25519PrivateKey.generate()
    good = [entry(RSA.public_key(), "r"), entry(curve, "e"), entry(edwards.public_key(), "o", use="sig")]
    ignored: list[object] = [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "s"},
        entry(ec.generate_private_key(ec.SECP384R1()).public_key(), "p384"),
        entry(RSA.public_key(), "enc", use="enc"),
        entry(rsa.generate_private_key(65537, 1024).public_key(), "weak"),
        {"kty": "AKP", "kid": "new"},
        "text",
    ]
    assert set(provider_keys(json.dumps({"keys": [*good, *ignored]}).encode())) == {"r", "e", "o"}
    unusable: list[object] = [{"keys": ignored}, {"keys": [good[0], good[0]]}, {"keys": {}}, [], {}]
    for content in unusable:
        with pytest.raises(ValueError, match=r"it is no JWK set|one kid|no key"):
            provider_keys(json.dumps(content).encode())


def test_what_is_too_large_or_nested_or_no_token_is_refused(region: Region) -> None:
    wang = region.issued()
    assert region.told("x" * (LARGEST_PROOF + 1)) == f"{INVALID} it has more than {LARGEST_PROOF} bytes"
    deep = packed(b'{"a":' + b"[" * 3000)
    for token in (
        f"{deep}.{deep}.x",
        "..",
        "",
        "a.b",
        packed(b"[]") + "..",
        packed(b"{}") + "..",
        "\u00e9.\u00e9.\u00e9",
    ):
        assert region.told(token).startswith(INVALID), token[:20]
    x5c: object
    for x5c in (None, [], "x", [7], ["x"], ["AA=="], [{}], [None] * 4):
        assert region.told(forged(wang, region.issuer, header={"x5c": x5c})).startswith(INVALID), x5c


@pytest.mark.parametrize("warned", ["error", "ignore"])
def test_a_certificate_with_a_serial_number_that_none_may_have_is_refused(
    region: Region, warned: Literal["error", "ignore"]
) -> None:
    wang = region.issued()
    good, serial = wang.certificate.public_bytes(Encoding.DER), wang.certificate.serial_number
    written = serial.to_bytes(serial.bit_length() // 8 + 1)
    negative = good.replace(written, bytes((written[0] | 0x80,)) + written[1:], 1)
    assert negative != good
    x5c = [base64.b64encode(each).decode() for each in (negative, region.issuer.certificate.public_bytes(Encoding.DER))]
    with warnings.catch_warnings():
        warnings.simplefilter(warned)
        assert region.told(forged(wang, region.issuer, header={"x5c": x5c})).startswith(INVALID)


@given(place=st.integers(0, 4000), character=st.characters(codec="ascii"))
def test_a_token_with_any_other_character_is_not_believed(lasting: Region, place: int, character: str) -> None:
    token = lasting.token
    at = place % len(token)
    altered = token[:at] + character + token[at + 1 :]
    # The last character of a signature has bits that no decoder reads.
    if decoded(altered) != decoded(token):
        assert lasting.told(altered) != "wang"


def decoded(token: str) -> object:
    """The bytes of the three parts; the token itself where it cannot be decoded."""
    try:
        return [base64.urlsafe_b64decode(each + "=" * (-len(each) % 4)) for each in token.split(".")]
    except ValueError:
        return token


def test_nobody_makes_a_statement_that_would_not_count(region: Region) -> None:
    with pytest.raises(ValueError, match="600 seconds"):
        region.statement(LONGEST_STATEMENT + MINUTE)
    with pytest.raises(ValueError, match="600 seconds"):
        region.statement(-MINUTE)
