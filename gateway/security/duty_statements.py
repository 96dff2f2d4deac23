"""Statements of both people of a reading by legal duty, which the home region of the customer verifies.

A statement is a token (JWT, RFC 7519) by the key of a member of staff of the asking region. It is about one reading.
Its audience is the federation: the number decides which region is the home.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import jwt

from gateway.api.types.v1.access_pb2 import Role
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.security.identity import Identity, trust_domain
from gateway.security.revocations import Revocations
from gateway.security.staff_proofs import (
    LONGEST_STATEMENT,
    StaffProof,
    invalid,
    proof_of_staff,
    refusing,
    require_size,
    signed_by_staff,
)
from gateway.security.tls import Credentials
from gateway.values.requesters import is_same_person

LONGEST_OF_SECOND = timedelta(days=1)
"""The longest life of the second person's statement: as long as a confirmation counts."""
_TYPE = "duty-reading+jwt"  # RFC 8725, 3.11: no other token of the key can be taken for such a statement


@dataclass(frozen=True)
class DutyReading:
    """A reading by legal duty."""

    number: str = field(repr=False)
    """E.164."""
    purpose: str
    reference: str
    """The file number."""
    first: str
    """Staff id of the person who asks."""

    @property
    def digest(self) -> str:
        """SHA-256 in hexadecimal of all that a statement is bound to. No part of it has a NUL."""
        return hashlib.sha256("\0".join((self.number, self.purpose, self.reference, self.first)).encode()).hexdigest()


@dataclass(frozen=True)
class DutyProofs:
    """The proofs of both people of a reading."""

    first: StaffProof
    second: StaffProof


@dataclass(frozen=True)
class DutyStatements:
    """The statements of both people, unverified."""

    first: str = field(repr=False)
    second: str = field(repr=False)


def duty_statement(own: Credentials, reading: DutyReading, now: datetime, life: timedelta) -> str:
    """A statement of a member of staff about a reading, by their certificate and key.

    `now` is aware. Raises CredentialsUnusable for the files, and ValueError for somebody who is no member of staff, and
    for a key that signs no statements.
    """

    def claims(staff: Identity) -> Mapping[str, str]:
        return {"aud": trust_domain(staff.federation), "act": reading.digest}

    return signed_by_staff(own, _TYPE, claims, now, life)


class DutyVerifier:
    """Verifies statements of the staff of one region."""

    def __init__(self, region: str, revocations: Revocations, now: datetime) -> None:
        """`now` is aware."""
        self._region = Identity(revocations.federation, Role.ROLE_REGION, region, "")
        self._revocations = revocations
        self._now = now

    def proofs(self, reading: DutyReading, second: str, statements: DutyStatements) -> DutyProofs:
        """The proofs of both people of a reading.

        `second` is the staff id of the second person by the region's word. Raises Refused with STAFF_PROOF_INVALID,
        STAFF_PROOF_EXPIRED, and with APPROVER_IS_PROPOSER where one person has made both.
        """
        found = DutyProofs(
            self._proof(statements.first, reading, LONGEST_STATEMENT),
            self._proof(statements.second, reading, LONGEST_OF_SECOND),
        )
        if is_same_person(found.first.staff_id, found.second.staff_id):
            raise Refused(Reason.REASON_APPROVER_IS_PROPOSER)
        if (found.first.staff_id, found.second.staff_id) != (reading.first, second):
            raise invalid("the people of the reading have not made it", "并非由该查阅的经办人作出")
        return found

    def _proof(self, token: str, reading: DutyReading, longest: timedelta) -> StaffProof:
        require_size(token)
        with refusing():
            if jwt.get_unverified_header(token).get("typ") != _TYPE:
                raise invalid("it is no statement about a reading by legal duty", "不是关于履行法定职责查阅的声明")
            audience = trust_domain(self._region.federation)
            claims, proof = proof_of_staff(token, self._region, audience, self._revocations, self._now, longest)
            if claims.get("act") != reading.digest:
                raise invalid("it is about another reading", "该声明针对其他查阅")
            return proof
