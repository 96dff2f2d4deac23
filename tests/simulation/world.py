"""The start of every run: three regions with their customers, the shipped configuration, and keys."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.region.v1.customer_service_pb2 import ProductStatus
from gateway.api.types.v1.access_pb2 import Role
from gateway.security.authority import Authority
from gateway.security.identity import Identity
from gateway.security.region_keys import KeySet, RegionKeys
from gateway.security.signing import TrustedKeys
from gateway.store.port import Transaction
from gateway.store.sqlite import SqliteDatabase
from region_node.business.billing.bills import BillLineRow, BillRow, insert_bill
from region_node.business.billing.rating import Charge
from region_node.business.billing.rules import Month
from region_node.customers import operations
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import EntryKind, charge
from region_node.customers.rows import CustomerRow, Line
from region_node.customers.subscriptions import Subscription
from region_node.customers.taking_over import NewCustomer
from region_node.customers.verification.rows import keep_password
from region_node.customers.verification.rules import SALT_BYTES, hash_password
from region_node.network.problems.rows import bind
from region_node.requests.auditing import AuditedCall
from tests.empty_database import empty_image
from tests.shipped import shipped_configuration
from tests.simulation.batch import run_batch
from tests.simulation.signatures import KnownKeys, NotingSigner

START = datetime(2026, 3, 28, 3, 0, tzinfo=UTC)  # three days before a billing cycle in Asia/Shanghai
REGIONS = ("guangdong", "sichuan", "henan")
PREFIXES = {"guangdong": "+8619844", "sichuan": "+8619851", "henan": "+8619841"}
PLANS = {
    "guangdong": ("guangdong-39", "guangdong-79", "guangdong-129"),
    "sichuan": ("sichuan-29", "sichuan-59", "sichuan-99"),
    "henan": ("henan-29", "henan-49", "henan-89"),
}
UNPLANNED = "+8619899000001"  # a line of Henan that no prefix of the shipped plan covers
NOBODYS = "+8619851999999"  # in Sichuan's range, and nobody has it
CURRENCY = "CNY"
PASSWORD = "271828"  # of everybody
PASSWORD_COST = 2  # of scrypt: what is simulated is not its time
OPENING_BALANCE = 30_000  # minor units
RICH = 1_000_000  # minor units: who has a service of the network owes nothing
FEBRUARY = {"rent": 2_900, "value-added": 1_100}  # what everybody was charged for the month before, in minor units
SERVICES = ("ring-tones", "caller-display")  # that every line has at the start
NETWORK_SERVICES = ("lines-chengdu-guangzhou", "lines-chengdu-zhengzhou", "broadband-guangzhou")
"""The network services of one customer of each region."""
_VALID = timedelta(days=2500)  # the records of some unit tests are of later years

# Counts every change of a line, a customer and a subscription by itself, in whatever transaction it happens.
_HISTORY = """
CREATE TABLE line_history (
    sequence INTEGER PRIMARY KEY, product_id TEXT, old_status INTEGER, new_status INTEGER, old_plan TEXT,
    new_plan TEXT, new_kind INTEGER, card_changed INTEGER, contract_changed INTEGER, promise_changed INTEGER
);
CREATE TRIGGER line_changes AFTER UPDATE ON products BEGIN
    INSERT INTO line_history
        (product_id, old_status, new_status, old_plan, new_plan, new_kind, card_changed, contract_changed,
        promise_changed)
    VALUES (old.product_id, old.status, new.status, old.plan_id, new.plan_id, new.suspension_kind,
        new.sim_replaced IS NOT old.sim_replaced, new.contract_end IS NOT old.contract_end,
        new.promised_to <> old.promised_to);
END;
CREATE TABLE customer_history (sequence INTEGER PRIMARY KEY, customer_id TEXT, sealed BLOB);
CREATE TRIGGER customer_changes AFTER UPDATE OF sealed ON customers BEGIN
    INSERT INTO customer_history (customer_id, sealed) VALUES (new.customer_id, new.sealed);
END;
CREATE TABLE subscription_history (sequence INTEGER PRIMARY KEY, product_id TEXT, offering_id TEXT);
CREATE TRIGGER subscription_ends AFTER UPDATE ON subscriptions BEGIN
    INSERT INTO subscription_history (product_id, offering_id) VALUES (new.product_id, new.offering_id);
END;
"""


@dataclass(frozen=True)
class Subscriber:
    """A customer with one line, as it is at the start. `traits` says what is special about it."""

    region: str
    number: str
    balance: int
    traits: frozenset[str]

    @property
    def product_id(self) -> str:
        """The line's id."""
        return f"line-{self.number[1:]}"

    @property
    def customer_id(self) -> str:
        """The customer's id."""
        return f"customer-{self.number[1:]}"

    @property
    def account_id(self) -> str:
        """The account that pays for it."""
        return f"account-{self.number[1:]}"


@cache
def subscribers() -> tuple[Subscriber, ...]:
    """All customers of all regions."""
    found = [
        Subscriber(region, f"{PREFIXES[region]}{index:06}", balance, frozenset(traits.split()))
        for region in REGIONS
        for index, (balance, traits) in enumerate(_KINDS)
    ]
    return (*found, Subscriber("henan", UNPLANNED, OPENING_BALANCE, frozenset()))


_KINDS = (
    (OPENING_BALANCE, ""),
    (OPENING_BALANCE, "relocates"),
    (OPENING_BALANCE, "relocates"),
    (OPENING_BALANCE, "moves"),
    (OPENING_BALANCE, "suspended"),
    (OPENING_BALANCE, "contract"),
    (-500, "arrears"),
    (RICH, "network"),
)


@cache
def configuration() -> Configuration:
    """The shipped federation configuration; not to be changed."""
    return shipped_configuration()


@cache
def _stored_under(region: str) -> KeySet:
    return KeySet.new(random.Random(f"the keys of {region}").randbytes)


def drawn_keys(region: str, source: random.Random) -> RegionKeys:
    """The keys for a region's personal data, always the same; new random values come from `source`."""
    return RegionKeys(_stored_under(region), source.randbytes)


@dataclass(frozen=True)
class Keys:
    """The signing keys of the regions, made once per process: no run depends on them."""

    signers: dict[str, NotingSigner]
    certificates: dict[str, bytes]
    trusted: TrustedKeys


@cache
def keys() -> Keys:
    """Signing keys and certificates of one authority."""
    federation = configuration().federation
    authority = Authority.create(federation, START - _VALID, START + _VALID)
    signers, certificates = dict[str, NotingSigner](), {}
    trusted = KnownKeys(authority.certificate_pem, federation, lambda region: signers[region].verifying)
    for region in REGIONS:
        identity = Identity(federation, Role.ROLE_REGION, region, "")
        issued = authority.issue_signing(identity, START - _VALID, START + _VALID)
        signers[region] = NotingSigner(issued.key)  # type: ignore[arg-type]  # signing keys are Ed25519
        certificates[region] = issued.certificate_pem
        trusted.accept(region, issued.certificate_pem, START)
    return Keys(signers, certificates, trusted)


def operator(region: str, name: str) -> Identity:
    """An operator system of a region."""
    return Identity(configuration().federation, Role.ROLE_OPERATOR, region, name)


def staff(region: str, name: str) -> Identity:
    """A member of a region's staff."""
    return Identity(configuration().federation, Role.ROLE_STAFF, region, name)


def new_database(region: str) -> bytes:
    """A region's database at the start, as SQLite serialises it."""
    database = SqliteDatabase(":memory:", drawn_keys(region, random.Random(region)))
    database.connection.deserialize(empty_image("gateway", "region_node"))
    database.connection.executescript(_HISTORY)
    known = [each for each in subscribers() if each.region == region]
    customers = [_customer(each) for each in known]

    def create(tx: Transaction) -> int:
        asked = AuditedCall("simulation", "clerk", START - timedelta(days=1))
        return operations.create(tx, customers, CURRENCY, asked)

    def set_passwords(tx: Transaction) -> None:
        hashed = hash_password(PASSWORD, bytes(SALT_BYTES), PASSWORD_COST)
        for each in customers:
            keep_password(tx, each.line.product_id, hashed)

    def bind_lines(tx: Transaction) -> None:
        for each in known:
            for service in NETWORK_SERVICES if "network" in each.traits else ():
                bind(tx, each.product_id, service)

    def bill_february(tx: Transaction) -> None:
        for each in known:
            _bill_february(tx, each)

    for outcome in run_batch(database, [create, set_passwords, bind_lines, bill_february]):
        assert outcome.error is None, outcome.error
    content = database.connection.serialize()
    database.close()
    return content


first_database = cache(new_database)


def _customer(subscriber: Subscriber) -> NewCustomer:
    suspended = "suspended" in subscriber.traits
    status = ProductStatus.PRODUCT_STATUS_SUSPENDED if suspended else ProductStatus.PRODUCT_STATUS_ACTIVE
    customer_id = subscriber.customer_id
    customer = CustomerRow(customer_id, f"Customer {subscriber.number[-4:]}", "")
    line = Line(
        product_id=subscriber.product_id,
        customer_id=customer_id,
        account_id=subscriber.account_id,
        number=subscriber.number,
        status=status,
        plan_id=PLANS[subscriber.region][0],
        start_time=START - timedelta(days=300),
        contract_end=START + timedelta(days=200) if "contract" in subscriber.traits else None,
        binding="",
        sim_replaced=None,
        suspension_reason="abroad" if suspended else "",
        suspension_end=None,
    )
    services = tuple(
        Subscription(f"{line.product_id}/{each}", line.product_id, f"{subscriber.region}-{each}", line.start_time, None)
        for each in SERVICES
    )
    return NewCustomer(customer, line, subscriber.balance + sum(FEBRUARY.values()), services)


def _bill_february(tx: Transaction, subscriber: Subscriber) -> None:
    """The month before the start was charged and billed, and nothing of it is left to pay."""
    account, month = subscriber.account_id, Month.of("2026-02", "Asia/Shanghai")
    charges = {EntryKind.of(charged): amount for charged, amount in FEBRUARY.items()}
    for kind, amount in charges.items():
        ledger.post(tx, charge(f"{account}/{month.name}#{kind}", kind, amount, account), CURRENCY, month.last_instant)
    lines = [BillLineRow(subscriber.product_id, Charge(kind, amount, 1)) for kind, amount in charges.items()]
    insert_bill(tx, BillRow(account, month.name, sum(FEBRUARY.values()), None, False), lines)
