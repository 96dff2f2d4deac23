"""The life of an enrolment: a token counts once and for hours, two people decide, and certificates have to fit."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from coordinator.enrolments import decisions
from gateway.api.coordinator.v1.enrolment_service_pb2 import (
    ApproveEnrolmentRequest,
    Enrolment,
    EnrolRequest,
    InviteRegionRequest,
    RejectEnrolmentRequest,
)
from gateway.errors import Refused, reason_name
from gateway.security.authority import Authority
from gateway.security.enrolling import Invitation, RequestedKeys, certificate_request, token_hash
from gateway.security.identity import parse
from gateway.security.issuing import IssuerDirectory

FEDERATION = "demo.example"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AUTHORITY = Authority.create(FEDERATION, NOW - DAY, NOW + 365 * DAY)
OTHER_AUTHORITY = Authority.create(FEDERATION, NOW - DAY, NOW + 365 * DAY)
INVITATION = Invitation.new("hunan", AUTHORITY.certificate_pem)
HASH = token_hash(INVITATION.secret)
LI, WANG = "admin/li", "admin/wang"


@dataclass(frozen=True)
class Node:
    """The keys that a node has made, and its requests."""

    tls: ec.EllipticCurvePrivateKey
    signing: Ed25519PrivateKey
    region: str = "hunan"

    @classmethod
    def new(cls, region: str = "hunan") -> "Node":
        return cls(ec.generate_private_key(ec.SECP256R1()), Ed25519PrivateKey.generate(), region)

    def request(self) -> EnrolRequest:
        identity = parse(f"spiffe://{FEDERATION}/region/{self.region}", FEDERATION)
        return EnrolRequest(
            secret=INVITATION.secret,
            tls_request=certificate_request(self.tls, identity),
            signing_request=certificate_request(self.signing, identity),
        )

    def keys(self) -> RequestedKeys:
        return RequestedKeys(self.tls.public_key(), self.signing.public_key())

    def approval(self, by: Authority = AUTHORITY, region: str = "hunan") -> ApproveEnrolmentRequest:
        identity = parse(f"spiffe://{FEDERATION}/region/{region}", FEDERATION)
        tls = by.certify_tls(identity, self.tls.public_key(), NOW, NOW + DAY)
        signing = by.certify_signing(identity, self.signing.public_key(), NOW, NOW + DAY)
        return ApproveEnrolmentRequest(
            enrolment_id="e",
            tls_certificate=tls.public_bytes(Encoding.PEM),
            signing_certificate=signing.public_bytes(Encoding.PEM),
        )


NODE, THIEF = Node.new(), Node.new()


def invited(hours: int = 4) -> Enrolment:
    request = InviteRegionRequest(region="hunan", token_hash=HASH, hours=hours)
    found = decisions.invited(None, request, LI, FEDERATION, NOW)
    assert found is not None
    return found


def requested(before: Enrolment | None, node: Node = NODE, now: datetime = NOW) -> Enrolment | None:
    return decisions.requested(before, node.request(), HASH, FEDERATION, now)


def waiting() -> Enrolment:
    found = requested(invited())
    assert found is not None
    return found


def approved(
    before: Enrolment | None, request: ApproveEnrolmentRequest, actor: str = WANG, now: datetime = NOW
) -> Enrolment | None:
    return decisions.approved(before, request, actor, [AUTHORITY.certificate], FEDERATION, now)


def reason(refused: "pytest.ExceptionInfo[Refused]") -> str:
    return reason_name(refused.value.reason)


def test_a_token_says_whom_it_invites_and_by_which_authority_the_coordinator_is_verified() -> None:
    found = Invitation.parse(f" {INVITATION.token}\n")
    assert found == INVITATION
    assert found.identity.uri == f"spiffe://{FEDERATION}/region/hunan"
    assert INVITATION.secret.hex() not in repr(INVITATION)


@given(st.text() | st.integers(0, len(INVITATION.token) - 1).map(lambda end: INVITATION.token[:end]))
def test_what_is_no_whole_token_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is no token"):
        Invitation.parse(text)


def test_a_token_counts_until_its_end_and_for_one_pair_of_keys() -> None:
    before = invited()
    with pytest.raises(Refused) as refused:
        requested(before, now=NOW + 5 * HOUR)
    assert reason(refused) == "ENROLMENT_TOKEN_INVALID"
    taken = requested(before)
    assert taken is not None
    assert requested(taken, now=NOW + DAY) is None, "the same keys may ask again"
    with pytest.raises(Refused) as refused:
        requested(taken, THIEF)
    assert reason(refused) == "ENROLMENT_TOKEN_USED"
    with pytest.raises(Refused) as refused:
        decisions.requested(taken, NODE.request(), token_hash(b"another"), FEDERATION, NOW)
    assert reason(refused) == "ENROLMENT_TOKEN_INVALID"
    with pytest.raises(Refused) as refused:
        requested(None)
    assert reason(refused) == "ENROLMENT_TOKEN_INVALID"


def test_a_request_that_names_another_region_or_proves_no_key_is_refused() -> None:
    requests = NODE.request()
    swapped = EnrolRequest(tls_request=requests.signing_request, signing_request=requests.tls_request)
    broken = EnrolRequest(tls_request=requests.tls_request[:-1] + b"\0", signing_request=requests.signing_request)
    for wrong in (Node.new("henan").request(), swapped, broken, EnrolRequest(tls_request=b"x", signing_request=b"")):
        with pytest.raises(Refused) as refused:
            decisions.requested(invited(), wrong, HASH, FEDERATION, NOW)
        assert reason(refused) == "CERTIFICATE_REQUEST_INVALID"


def test_another_administrator_than_the_one_who_invited_approves_once() -> None:
    before, approval = waiting(), NODE.approval()
    with pytest.raises(Refused) as refused:
        approved(before, approval, LI)
    assert reason(refused) == "ENROLMENT_NEEDS_ANOTHER_ADMINISTRATOR"
    after = approved(before, approval)
    assert after is not None
    assert (after.decided_by, after.tls_certificate) == (WANG, approval.tls_certificate)
    assert approved(after, approval, now=NOW + 30 * DAY) is None, "the same again changes nothing"
    with pytest.raises(Refused) as refused:
        approved(after, NODE.approval())
    assert reason(refused) == "ENROLMENT_NOT_WAITING"


def test_certificates_for_other_keys_other_names_or_by_another_authority_are_not_published() -> None:
    swapped = NODE.approval()
    swapped.tls_certificate, swapped.signing_certificate = swapped.signing_certificate, swapped.tls_certificate
    twice = NODE.approval()
    twice.tls_certificate += twice.tls_certificate
    unfit = (
        THIEF.approval(),
        NODE.approval(OTHER_AUTHORITY),
        NODE.approval(region="henan"),
        swapped,
        twice,
        ApproveEnrolmentRequest(enrolment_id="e", tls_certificate=b"x"),
    )
    for each in unfit:
        with pytest.raises(Refused) as refused:
            approved(waiting(), each)
        assert reason(refused) == "CERTIFICATE_UNFIT"


@pytest.mark.parametrize("late", [False, True])
def test_what_waits_for_no_decision_is_not_decided(late: bool) -> None:
    now = NOW + 8 * DAY if late else NOW
    with pytest.raises(Refused) as refused:
        approved(waiting() if late else invited(), NODE.approval(), now=now)
    assert reason(refused) == "ENROLMENT_NOT_WAITING"
    with pytest.raises(Refused) as refused:
        approved(None, NODE.approval())
    assert reason(refused) == "ENROLMENT_NOT_FOUND"
    rejected = decisions.rejected(waiting(), RejectEnrolmentRequest(enrolment_id="e", note="told otherwise"), LI, NOW)
    assert rejected is not None
    assert decisions.rejected(rejected, RejectEnrolmentRequest(enrolment_id="e"), LI, NOW) is None
    with pytest.raises(Refused) as refused:
        approved(rejected, NODE.approval())
    assert reason(refused) == "ENROLMENT_NOT_WAITING"


def test_an_invitation_is_repeated_by_its_own_administrator_alone_and_ends_by_itself() -> None:
    request = InviteRegionRequest(region="hunan", token_hash=HASH, hours=4)
    assert decisions.invited(invited(), request, LI, FEDERATION, NOW) is None
    for other, actor in ((request, WANG), (InviteRegionRequest(region="henan", token_hash=HASH, hours=4), LI)):
        with pytest.raises(Refused):
            decisions.invited(invited(), other, actor, FEDERATION, NOW)
    for hours, hashed in ((0, HASH), (73, HASH), (4, b"short")):
        unfit = InviteRegionRequest(region="hunan", token_hash=hashed, hours=hours)
        with pytest.raises(Refused):
            decisions.invited(None, unfit, LI, FEDERATION, NOW)
    with pytest.raises(Refused) as refused:
        decisions.invited(None, InviteRegionRequest(region="hu/nan", token_hash=HASH, hours=4), LI, FEDERATION, NOW)
    assert (reason(refused), refused.value.parameters["field"]) == ("REQUEST_INVALID", "region")
    assert decisions.stands(invited(), NOW + 5 * HOUR).state == decisions.ENDED
    decisions.require_room([invited()] * decisions.MOST_OPEN, NOW + 5 * HOUR)
    with pytest.raises(Refused) as refused:
        decisions.require_room([invited()] * decisions.MOST_OPEN, NOW)
    assert reason(refused) == "ENROLMENTS_TOO_MANY"


def test_what_an_authority_certifies_is_kept_and_can_be_revoked_by_name(tmp_path: Path) -> None:
    AUTHORITY.save(tmp_path)
    issuer, identity = IssuerDirectory(tmp_path), INVITATION.identity
    made = issuer.certify(identity, NODE.keys(), NOW, DAY, tls_life=HOUR)
    assert issuer.issued() == []
    for each in made:
        issuer.keep(each)
    tls, signing = (each.public_bytes(Encoding.PEM) for each in made)
    NODE.keys().require_certified(tls, signing, [AUTHORITY.certificate], identity)
    assert {each.uri for each in issuer.issued()} == {identity.uri}
    assert len(issuer.issued()) == 2
