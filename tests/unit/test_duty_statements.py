"""Statements about readings by legal duty: what the home region of the customer takes for a proof of both people."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.api.federation.v1.configuration_pb2 import LegalBasis
from gateway.api.federation.v1.federation_pb2 import Feature, Member, RevocationList
from gateway.api.region.v1.sharing_service_pb2 import ReadSharedCustomerRequest
from gateway.api.types.v1.types_pb2 import Channel, Requester
from gateway.errors import Refused, reason_name
from gateway.federation.current import CurrentFederation
from gateway.relay.border import Border
from gateway.security.authority import Authority
from gateway.security.duty_statements import LONGEST_OF_SECOND, DutyProofs, DutyReading, duty_statement
from gateway.security.identity import parse
from gateway.security.signing import Signer, TrustedKeys
from gateway.security.staff_proofs import LONGEST_STATEMENT, staff_name, statement_for
from gateway.security.tls import Credentials
from gateway.store.sqlite import SqliteTransaction
from region_node.customers.sharing.duty_readings import DUTY_LIMIT, proofs_of
from region_node.customers.sharing.operations import read_shared
from region_node.node.context import RegionContext
from region_node.requests.checks import Questioner
from tests.empty_database import empty_database
from tests.keys import region_keys
from tests.unit.situations import FEDERATION as CONFIGURATION

FEDERATION = "crossregion.example"
NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
READING = DutyReading("+8619851000001", "fraud-investigation", "GD(2031)7", "wang")
WANG = Questioner("guangdong", "wang", is_staff=True)
PROVEN = ["wang", "zhao"]
INVALID, EXPIRED, UNPROVEN = "STAFF_PROOF_INVALID", "STAFF_PROOF_EXPIRED", "LEGAL_DUTY_UNPROVEN"


def question(first: str, second: str, approver: str = "zhao", requester: str = "wang") -> ReadSharedCustomerRequest:
    return ReadSharedCustomerRequest(
        request_id="R1",
        number=READING.number,
        purpose=READING.purpose,
        legal_basis=LegalBasis.LEGAL_BASIS_LEGAL_DUTY,
        reference=READING.reference,
        statement=first,
        approver_statement=second,
        approver_staff_id=approver,
        requester=Requester(staff_id=requester, channel=Channel.CHANNEL_COUNTER),
    )


class Home:
    """The home region Sichuan, the authority, and the staff of regions whose issuers it has certified."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.authority = Authority.create(FEDERATION, NOW - 48 * HOUR, NOW + 48 * HOUR)
        self.issuers = {
            each: self.authority.issue_issuer(each, NOW - 48 * HOUR, NOW + 48 * HOUR) for each in ("guangdong", "henan")
        }
        self.keys = TrustedKeys(self.authority.certificate_pem, FEDERATION)
        self.current = CurrentFederation()
        self.hear([Feature.FEATURE_DUTY_STATEMENTS])
        signer = Signer.create(directory / "signing.key")
        self.context = RegionContext(Border("sichuan", signer, self.keys, self.current))

    def hear(self, features: list[Feature.ValueType]) -> None:
        """The features of Guangdong, as coordinators tell them."""
        self.current.update(CONFIGURATION, [Member(region="guangdong", endpoints=["127.0.0.1:1"], features=features)])

    def hear_silence(self) -> None:
        """No process of Guangdong is heard any more."""
        self.current.update(CONFIGURATION, [Member(region="guangdong")])

    def staff(self, name: str, region: str = "guangdong", role: str = "staff") -> Credentials:
        files = Credentials.within(self._directory / f"{region}-{role}-{name}")
        if not files.key.exists():
            by = self.issuers[region]
            identity = parse(f"spiffe://{FEDERATION}/region/{region}/{role}/{name}", FEDERATION)
            issued = by.issue_tls(identity, NOW - 48 * HOUR, NOW + 48 * HOUR)
            files.key.parent.mkdir()
            files.authority.write_bytes(by.trusted_pem)
            files.certificate.write_bytes(issued.certificate_pem + by.chain_pem)
            files.key.write_bytes(issued.key_pem)
        return files

    def said(
        self,
        name: str,
        reading: DutyReading = READING,
        life: timedelta = LONGEST_STATEMENT,
        ago: timedelta = timedelta(0),
        region: str = "guangdong",
    ) -> str:
        return duty_statement(self.staff(name, region), reading, NOW - ago, life)

    def proofs(
        self, first: str, second: str, approver: str = "zhao", operator: str = "wang", requester: str = "wang"
    ) -> DutyProofs | None:
        asked = question(first, second, approver, requester)
        return proofs_of(self.context, asked, Questioner("guangdong", operator, is_staff=True), NOW)

    def told(
        self, first: str, second: str, approver: str = "zhao", operator: str = "wang", requester: str = "wang"
    ) -> str | list[str]:
        """The proven people, or the reason of the refusal."""
        try:
            found = self.proofs(first, second, approver, operator, requester)
        except Refused as refused:
            return reason_name(refused.reason)
        return [] if found is None else [found.first.staff_id, found.second.staff_id]


@pytest.fixture(name="home")
def sichuan(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_statements_of_two_members_of_staff_about_a_reading_prove_both(home: Home) -> None:
    first, second = home.said("wang"), home.said("zhao", life=LONGEST_OF_SECOND, ago=23 * HOUR)
    assert home.told(first, second) == PROVEN
    found = home.proofs(first, second)
    assert found is not None
    assert found.second.told.startswith("staff zhao by certificate ")


@pytest.mark.parametrize(
    "reading",
    [
        replace(READING, number="+8619851000002"),
        replace(READING, purpose="other"),
        replace(READING, reference="GD(2031)8"),
        replace(READING, first="li"),
    ],
    ids=["number", "purpose", "file", "first person"],
)
def test_a_statement_counts_for_its_reading_alone(home: Home, reading: DutyReading) -> None:
    assert home.told(home.said("wang"), home.said("zhao", reading)) == INVALID
    assert home.told(home.said("wang", reading), home.said("zhao")) == INVALID


def test_one_person_is_no_two_and_each_is_the_one_whom_the_region_names(home: Home) -> None:
    first, second = home.said("wang"), home.said("zhao")
    for again in (first, home.said("wang"), home.said("Wang")):
        assert home.told(first, again, approver="Wang") == "APPROVER_IS_PROPOSER"
    assert home.told(first, second, approver="li") == home.told(first, second, approver="") == INVALID
    assert home.told(second, first) == INVALID
    assert home.told(first, second, operator="li") == INVALID
    assert home.told(first, second, requester="li") == "STAFF_DIFFERS"


def test_a_statement_ends_by_its_time_and_by_the_revocation_of_its_certificate(home: Home) -> None:
    first, second = home.said("wang"), home.said("zhao", life=LONGEST_OF_SECOND)
    assert home.told(home.said("wang", ago=HOUR), second) == EXPIRED
    assert home.told(first, home.said("zhao", life=LONGEST_OF_SECOND, ago=25 * HOUR)) == EXPIRED
    assert home.told(home.said("wang", life=HOUR), second) == INVALID, "the first one is there at the reading"
    assert home.told(first, home.said("zhao", life=LONGEST_OF_SECOND + HOUR)) == INVALID
    assert home.told(first, home.said("zhao", ago=-HOUR)) == INVALID, "it begins in the future"
    issuer, serial = home.issuers["guangdong"], int(_serial(home, "zhao"), 16)
    crl = issuer.revocation_list([serial], 1, NOW).public_bytes(Encoding.DER)
    certificate = issuer.certificate.public_bytes(Encoding.DER)
    home.keys.revocations.take(RevocationList(crl=crl, issuer_certificate=certificate))
    assert home.told(first, second) == INVALID


def test_nobody_but_staff_of_the_asking_region_makes_a_statement(home: Home) -> None:
    first, second = home.said("wang"), home.said("zhao")
    assert home.told(first, home.said("zhao", region="henan")) == INVALID
    assert home.told(first, statement_for(home.staff("zhao"), "counter", NOW, LONGEST_STATEMENT)) == INVALID
    assert home.told(first, "x" * 7000) == home.told("no.to.ken", second) == INVALID
    counter = home.staff("counter", role="operator")
    assert (staff_name(counter), staff_name(home.staff("zhao"))) == ("", "zhao")
    with pytest.raises(ValueError, match="no member of staff"):
        duty_statement(counter, READING, NOW, LONGEST_STATEMENT)


def test_a_region_tells_no_statement_only_as_long_as_its_version_promises_none(home: Home) -> None:
    first, second = home.said("wang"), home.said("zhao")
    for statements in (("", ""), (first, ""), ("", second)):
        assert home.told(*statements) == UNPROVEN
    home.hear_silence()
    assert home.told("", "") == UNPROVEN, "nobody escapes the statements by his silence"
    home.hear([])
    assert home.told("", "") == home.told("", "", approver="") == []
    assert home.told(first, "") == home.told("", second) == [], "half of a proof is none"
    assert home.told(first, home.said("zhao", region="henan")) == INVALID
    assert home.told(first, second) == PROVEN


@pytest.mark.parametrize("unproven", [None, 0, 1, 2], ids=["none", "the first", "the second", "the last"])
def test_readings_of_a_day_are_unproven_once_one_was_whatever_the_version_promises_then_or_later(
    home: Home, unproven: int | None
) -> None:
    with closing(empty_database("gateway", "region_node")) as connection:
        tx = SqliteTransaction(connection, region_keys())
        home.hear([])
        for each in range(3):
            statements = ("", "") if each == unproven else (home.said("wang"), home.said("zhao"))
            read_shared(tx, home.context, question(*statements), WANG, NOW)
        for features in ([], [Feature.FEATURE_DUTY_STATEMENTS]):
            home.hear(features)
            day = NOW.astimezone(ZoneInfo(home.context.time_zone)).date().isoformat()
            assert DUTY_LIMIT.has_unproven(tx, "guangdong", day) == (unproven is not None)


def _serial(home: Home, name: str) -> str:
    """The serial number of the certificate behind a proof, in hexadecimal."""
    found = home.proofs(home.said("wang"), home.said(name))
    assert found is not None
    return found.second.issuer.removeprefix("certificate ")
