"""The conditions after the faults: what callers were told, against what is stored. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.operations import Kind, Operation, Outcome
from tests.crash.records import Row

LOST, DOUBLED, UNASKED = "lost", "doubled", "nobody asked"
DIFFERS, WAITS, MONEY, CHAIN, CALLS = "differs", "waits for ever", "money", "audit chain", "calls"
RECORDED = (Kind.PAYMENT, Kind.LINE, Kind.COMPLAINT, Kind.FAULT, Kind.JOINT, Kind.CROWD)
"""The kinds that make a record in each region that has to do with them."""
ACTIONS = {
    Kind.PAYMENT: "SubmitOrder",
    Kind.LINE: "SubmitOrder",
    Kind.COMPLAINT: "FileComplaint",
    Kind.FAULT: "ReportFault",
    Kind.JOINT: "SubmitJointOrder",
    Kind.CROWD: "SubmitOrder",
}
"""The action in the audit chain of the region that took an operation in."""


@dataclass(frozen=True)
class Violation:
    """A promise that was broken."""

    promise: str
    subject: str
    text: str


@dataclass(frozen=True)
class Stored:
    """A record as a region has it."""

    record_id: str
    origin: str
    owner: str
    state: int
    version: int
    is_done: bool
    """Whether it has come as far as it has to: an order is completed, a ticket has been taken by its owner."""


@dataclass(frozen=True)
class Known:
    """An alarm, as its region or the coordinators know it."""

    version: int
    is_over: bool


@dataclass
class Facts:
    """What the database of a region says when all is quiet."""

    records: list[Stored] = field(default_factory=list)
    requests: dict[str, str] = field(default_factory=dict)
    """The subject of each request of the operator system that was done, by its id."""
    actions: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often the audit chain has an action about a subject, of those in `ACTIONS`."""
    completions: Counter[str] = field(default_factory=Counter)
    """How often each order was completed."""
    returned: list[str] = field(default_factory=list)
    """The orders whose state went where no state diagram leads."""
    entries: list[Row] = field(default_factory=list)
    """Posting, account and amount of each ledger entry about an order."""
    unbalanced: list[str] = field(default_factory=list)
    """The postings that do not sum to zero."""
    sent: dict[str, set[str]] = field(default_factory=dict)
    """The envelopes that were closed by a receipt, by destination."""
    received: dict[str, set[str]] = field(default_factory=dict)
    """The envelopes that were acted on, by origin."""
    readings: Counter[str] = field(default_factory=Counter)
    """How many disclosures of shared records are noted, by reading region."""
    suspended: set[str] = field(default_factory=set)
    """The numbers that are suspended."""
    alarms: dict[str, dict[str, Known]] = field(default_factory=dict)
    """The alarms by their ids at the system, and then by those at the coordinators."""
    quarantined: list[str] = field(default_factory=list)
    """Work that was set aside for people."""
    broken: str = ""
    """Why the audit chain is not whole."""


def check(
    operations: Sequence[Operation],
    facts: Mapping[str, Facts],
    postings: Mapping[str, Sequence[Row]],
    suspended: Mapping[str, bool],
) -> list[Violation]:
    """All violations. `postings` are the entries that payments make by region, `suspended` the lines by number."""
    found = [*_operations(operations, facts), *_nobody_asked(operations, facts), *_envelopes(facts)]
    for region, each in facts.items():
        found += _region(region, each)
        found += _money(region, each.entries, postings.get(region, ()))
    for number, is_suspended in suspended.items():
        if any(number in each.suspended for each in facts.values()) is not is_suspended:
            found.append(Violation(DIFFERS, number, f"the line is to be {'suspended' if is_suspended else 'in use'}"))
    return found


def check_alarms(
    are_over: Mapping[str, Mapping[str, bool]], facts: Mapping[str, Facts], known: Mapping[str, Known]
) -> Iterator[Violation]:
    """Each trouble is one alarm in its last state, at its region and at the coordinators.

    `are_over` has the troubles whose reports were accepted, by region and by their ids at the system.
    """
    for region, troubles in are_over.items():
        for trouble, is_over in troubles.items():
            found = [*facts[region].alarms.get(trouble, {}).values()]
            if len(found) != 1:
                yield Violation(DOUBLED if found else LOST, trouble, f"{region} has its alarm {len(found)} times")
            elif found[0].is_over is not is_over:
                yield Violation(DIFFERS, trouble, f"{region} has {found[0]}")
    here = {name: alarm for each in facts.values() for those in each.alarms.values() for name, alarm in those.items()}
    for name, alarm in here.items():
        if name not in known:
            yield Violation(LOST, name, "no coordinator knows the alarm")
        elif known[name] != alarm:
            yield Violation(DIFFERS, name, f"the region has {alarm}, the coordinators have {known[name]}")
    yield from (Violation(UNASKED, name, "no region has the alarm") for name in sorted(known.keys() - here.keys()))


def _operations(operations: Sequence[Operation], facts: Mapping[str, Facts]) -> Iterator[Violation]:
    by_id = {region: _by_id(each.records) for region, each in facts.items()}
    for each in operations:
        if each.outcome is Outcome.UNANSWERED:
            yield Violation(WAITS, each.request_id, f"nobody answers the {each.kind.value} at {each.region}")
        elif each.outcome is Outcome.REFUSED:
            if each.kind is Kind.ALARM:
                yield Violation(LOST, each.request_id, f"{each.region} refused a report with {each.reason}")
            if (subject := facts[each.region].requests.get(each.request_id)) is not None:
                yield Violation(DOUBLED, subject, f"the {each.kind.value} was refused with {each.reason}, and is there")
        elif each.kind in RECORDED:
            yield from _acknowledged(each, facts, by_id)
    yield from _readings(operations, facts)


def _acknowledged(
    operation: Operation, facts: Mapping[str, Facts], by_id: Mapping[str, Mapping[str, Sequence[Stored]]]
) -> Iterator[Violation]:
    """One record at the region that took it in, the same one at its owner, one request and one row of the audit."""
    subject, here = operation.record_id, facts[operation.region]
    found = by_id[operation.region].get(subject, ())
    if not found:
        yield Violation(LOST, subject, f"{operation.region} acknowledged the {operation.kind.value}, and lacks it")
        return
    record = found[0]
    holders = set(facts) if operation.kind is Kind.JOINT else {operation.region, record.owner}
    for region in sorted(holders):
        copies = by_id[region].get(subject, ())
        if not copies:
            yield Violation(LOST, subject, f"{region} has to know the {operation.kind.value}, and lacks it")
        elif len(copies) > 1:
            yield Violation(DOUBLED, subject, f"{region} has the {operation.kind.value} {len(copies)} times")
        elif copies[0] != record:
            yield Violation(DIFFERS, subject, f"{operation.region} has {record}, {region} has {copies[0]}")
    if not record.is_done:
        yield Violation(WAITS, subject, f"the {operation.kind.value} is in state {record.state}")
    if here.requests.get(operation.request_id) != subject:
        told = here.requests.get(operation.request_id)
        yield Violation(DIFFERS, subject, f"the request {operation.request_id} is about {told}")
    noted = here.actions[ACTIONS[operation.kind], subject]
    if noted != 1:
        yield Violation(LOST if noted == 0 else DOUBLED, subject, f"the audit chain has its request {noted} times")


def _readings(operations: Sequence[Operation], facts: Mapping[str, Facts]) -> Iterator[Violation]:
    """Each reading across a border is noted at home. A repeated one may be noted again: it was read again."""
    read = Counter(
        (each.region, each.home)
        for each in operations
        if each.kind is Kind.READING and each.outcome is Outcome.ACKNOWLEDGED and each.is_foreign
    )
    for (region, home), count in read.items():
        noted = facts[home].readings[region]
        if noted < count:
            yield Violation(LOST, home, f"{region} has read {count} records, of which {noted} are noted")


def _nobody_asked(operations: Sequence[Operation], facts: Mapping[str, Facts]) -> Iterator[Violation]:
    """A second record for one request has an id that no caller was told."""
    told = {each.record_id for each in operations if each.record_id}
    for region, each in facts.items():
        for record in each.records:
            if record.record_id not in told:
                yield Violation(UNASKED, record.record_id, f"{region} has it, and no caller was told of it")


def _envelopes(facts: Mapping[str, Facts]) -> Iterator[Violation]:
    """Each region has acted on the very envelopes whose receipts the others have."""
    for origin, there in facts.items():
        for destination, sent in there.sent.items():
            received = facts[destination].received.get(origin, set()) if destination in facts else sent
            for each in sorted(sent - received):
                yield Violation(LOST, each, f"{origin} has a receipt, and {destination} no trace of it")
    for destination, here in facts.items():
        for origin, received in here.received.items():
            sent = facts[origin].sent.get(destination, set()) if origin in facts else received
            for each in sorted(received - sent):
                yield Violation(WAITS, each, f"{destination} has acted on it, and {origin} has no receipt")


def _region(region: str, facts: Facts) -> Iterator[Violation]:
    for subject, count in facts.completions.items():
        if count != 1:
            yield Violation(DOUBLED, subject, f"{region} completed it {count} times")
    for subject in facts.returned:
        yield Violation(DIFFERS, subject, f"in {region} its state went back")
    for subject in facts.unbalanced:
        yield Violation(MONEY, subject, f"in {region} the posting does not sum to zero")
    for subject in facts.quarantined:
        yield Violation(WAITS, subject, f"{region} has set it aside for people")
    if facts.broken:
        yield Violation(CHAIN, region, facts.broken)


def _money(region: str, entries: Sequence[Row], expected: Sequence[Row]) -> Iterator[Violation]:
    """The entries about orders are those of the payments, each once."""
    booked, wanted = Counter(entries), Counter(expected)
    for (posting, account, amount), count in (wanted - booked).items():
        yield Violation(MONEY, str(posting), f"{region} lacks {amount} on {account}, {count} times")
    for (posting, account, amount), count in (booked - wanted).items():
        yield Violation(MONEY, str(posting), f"{region} has {amount} on {account} {count} times too often")


def _by_id(records: Sequence[Stored]) -> dict[str, list[Stored]]:
    found: dict[str, list[Stored]] = {}
    for each in records:
        found.setdefault(each.record_id, []).append(each)
    return found
