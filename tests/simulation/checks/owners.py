"""Moves: each customer has one home that all regions name, and its balance has gone from one home to the next once."""

from gateway.errors import Refused, reason_name
from gateway.store.port import Transaction
from region_node.customers.accounts import ledger
from region_node.customers.accounts.rules import EntryKind
from region_node.customers.moved_numbers import home_elsewhere
from region_node.customers.rows import find_line
from region_node.lifecycle.moving import rules
from region_node.lifecycle.moving.rows import find_move
from tests.simulation.evidence import Evidence
from tests.simulation.region import Region
from tests.simulation.relocating import ONE, Relocation, owners_of

_HANDED_OVER = (
    "SELECT posting_id, SUBSTR(posting_id, 1, INSTR(posting_id, '#balance/') - 1) AS move, amount FROM ledger_entries"
    f" WHERE kind = '{EntryKind.MOVED_BALANCE}' AND account LIKE 'account-%'"
)


def check(evidence: Evidence) -> None:
    """Every customer who wanted to move, and every move."""
    booked: dict[str, list[tuple[str, int]]] = {}
    for region, row in evidence.rows(_HANDED_OVER):
        booked.setdefault(row["move"], []).append((region, row["amount"]))
    for each in evidence.relocations:
        _check_home(evidence, each)
        for move_id, account in zip(each.moves, each.accounts, strict=True):
            _check_move(evidence, move_id, account, booked.pop(move_id, []))
    for move_id in booked:
        evidence.broken(ONE, move_id, "a balance was handed over, and nobody has moved")


def _check_home(evidence: Evidence, relocation: Relocation) -> None:
    owners, about = list(owners_of(relocation, evidence.regions)), relocation.moves[-1] if relocation.moves else "-"
    if owners != relocation.homes[-1:]:
        evidence.broken(ONE, about, f"{relocation.number} is of {owners}, its home is {relocation.homes[-1]}")
    for region in evidence.regions:
        named = region.ports.disk.read(lambda tx, at=region: _named(tx, at, relocation.number))  # type: ignore[misc]
        if named != relocation.homes[-1]:
            evidence.broken(ONE, about, f"{region.name} names {named} as its home, which is {relocation.homes[-1]}")


def _named(tx: Transaction, region: Region, number: str) -> str:
    """The home of a number as a region answers about it, or the reason of its refusal."""
    assert region.knowledge is not None, "all regions have joined"
    has_line = find_line(tx, number) is not None
    try:
        return home_elsewhere(tx, region.knowledge.federation, region.name, number, has_line=has_line) or region.name
    except Refused as refused:
        return reason_name(refused.reason)


def _check_move(evidence: Evidence, move_id: str, account: str, booked: list[tuple[str, int]]) -> None:
    found = {each.name: each.ports.disk.read(lambda tx: find_move(tx, move_id)) for each in evidence.regions}
    states = {region: rules.state_name(move.state) for region, move in found.items() if move is not None}
    old = move_id.partition("/")[0]
    move = found[old]
    if move is None:
        evidence.broken("durable", move_id, "its move is gone")
    elif move.state == rules.MOVED:
        if states != {old: "moved", move.to_region: "taken_over"}:
            evidence.broken(ONE, move_id, f"the regions have it as {states}")
        if booked and not _mirrored(booked, old, move.to_region):
            evidence.broken(ONE, move_id, f"its balance was booked as {booked}")
        (region,) = (each for each in evidence.regions if each.name == old)
        if left := region.ports.disk.read(lambda tx: ledger.balance(tx, account)):
            evidence.broken(ONE, move_id, f"{left} are left in {account}")
    elif len(states) > 1 or booked or move.state == rules.MOVING:
        evidence.broken(ONE, move_id, f"the regions have it as {states}, and have booked {booked}")


def _mirrored(booked: list[tuple[str, int]], old: str, new: str) -> bool:
    """Whether the old home has booked out what the new home has booked in, once."""
    amounts = dict(booked)
    return len(booked) == 2 and amounts.keys() == {old, new} and amounts[old] == -amounts[new]
