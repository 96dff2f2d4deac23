"""Assignments of numbers for tests: regions with signing keys of one authority, which give numbers away."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.api.federation.v1.federation_pb2 import NumberAssignment
from gateway.api.types.v1.access_pb2 import Role
from gateway.federation.assignments import AssignmentBook, Standing, signed_assignment
from gateway.security.authority import Authority
from gateway.security.identity import Identity
from gateway.security.signing import Signer, TrustedKeys

FEDERATION = "demo.example"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Giver:
    """A region with a signing certificate of an authority, valid for an hour around a time."""

    def __init__(self, region: str, authority: Authority, now: datetime = NOW) -> None:
        issued = authority.issue_signing(Identity(FEDERATION, Role.ROLE_REGION, region, ""), now - HOUR, now + HOUR)
        assert isinstance(issued.key, Ed25519PrivateKey)
        self.region = region
        self.signer = Signer(issued.key)
        self.certificate = issued.certificate_pem

    def gives(
        self, number: str, region: str, before: Standing, now: datetime = NOW, giver: str = ""
    ) -> NumberAssignment:
        """The next assignment of a number, signed by this region, though it may name another giver."""
        return signed_assignment(number, region, giver or self.region, before, self.signer, self.certificate, now)


@cache
def authority() -> Authority:
    """The authority of the federation, valid for years."""
    return Authority.create(FEDERATION, NOW - 1000 * timedelta(days=1), NOW + 1000 * timedelta(days=1))


def trusted() -> TrustedKeys:
    """The keys of a reader who has seen no certificate so far."""
    return TrustedKeys(authority().certificate_pem, FEDERATION)


@cache
def giver(region: str) -> Giver:
    """A region of the federation."""
    return Giver(region, authority())


def chain(number: str, *regions: str) -> list[NumberAssignment]:
    """The assignments by which a number goes from the first region through the others."""
    made, standing = list[NumberAssignment](), Standing(regions[0], 0)
    for region in regions[1:]:
        assert standing.region is not None
        made.append(giver(standing.region).gives(number, region, standing))
        standing = Standing(region, made[-1].sequence, made[-1].sign_time_us)
    return made


def book_of(assignments: Iterable[NumberAssignment]) -> AssignmentBook:
    """A book with these assignments."""
    found = list(assignments)
    certificates = {each.certificate_hash: giver(each.giver).certificate for each in found}
    return AssignmentBook().with_added(found, certificates)
