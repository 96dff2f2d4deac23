"""`region-node reconciliation`: days compared with other regions, differences and their repair."""

import click

from gateway.api.region.v1 import reconciliation_service_pb2 as api
from gateway.api.region.v1.reconciliation_pb2 import (
    Difference,
    DifferenceKind,
    ReconciledDay,
    ReconciledRecord,
    Repair,
    RepairAct,
    RepairState,
)
from gateway.api.region.v1.reconciliation_service_pb2_grpc import ReconciliationServiceStub
from gateway.api.types.v1.types_pb2 import Money
from gateway.cli.asking import limit_option
from gateway.cli.table import Table, TableColumn
from gateway.errors import text
from gateway.values.money import in_major_units
from gateway.wording.languages import in_language, translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set
from gateway.wording.words import value_word
from region_node.cli.asking import Asking, reads, repeats, writes

_ACTS = {
    "send-again": RepairAct.REPAIR_ACT_SEND_AGAIN,
    "correct": RepairAct.REPAIR_ACT_CORRECT,
    "restore": RepairAct.REPAIR_ACT_RESTORE,
}


def _failure(repair: Repair) -> str:
    """The reason of a failed act. A record could not be restored by the region that does not act."""
    if not repair.failure:
        return ""
    pair = (repair.id.partition("/")[0], repair.deciding_region)
    other = pair[0] if repair.acting_region == pair[1] else pair[1]
    region = other if repair.act == RepairAct.REPAIR_ACT_RESTORE else repair.acting_region
    return in_language(text(repair.failure, {"region": region, "serial": repair.serial}))


_DAYS = Table[ReconciledDay](
    TableColumn("day", lambda each: each.day),
    TableColumn("region", lambda each: region_name(each.region)),
    TableColumn("records here", lambda each: str(each.records_here)),
    TableColumn("records there", lambda each: str(each.records_there)),
    TableColumn("open", lambda each: str(each.open_records)),
    TableColumn("differences", lambda each: str(each.differences)),
    TableColumn("digest", lambda each: each.digest_here.hex()[:12], only_wide=True),
    TableColumn("compared at", lambda each: told_if_set(each.compare_time)),
)
_DIFFERENCES = Table[Difference](
    TableColumn("day", lambda each: each.day),
    TableColumn("region", lambda each: region_name(each.region)),
    TableColumn("record", lambda each: each.record_kind),
    TableColumn("serial", lambda each: each.serial),
    TableColumn("difference", lambda each: value_word(DifferenceKind.DESCRIPTOR, each.kind)),
    TableColumn("here", lambda each: _record(each.here)),
    TableColumn("there", lambda each: _record(each.there)),
    TableColumn("closed at", lambda each: told_if_set(each.closed_time), only_wide=True),
    TableColumn("repair", lambda each: each.repair_id, only_wide=True),
)
_REPAIRS = Table[Repair](
    TableColumn("repair", lambda each: each.id),
    TableColumn("serial", lambda each: each.serial),
    TableColumn("act", lambda each: value_word(RepairAct.DESCRIPTOR, each.act)),
    TableColumn("acting region", lambda each: region_name(each.acting_region)),
    TableColumn("amount", lambda each: _money(each.amount) if each.HasField("amount") else ""),
    TableColumn("state", lambda each: value_word(RepairState.DESCRIPTOR, each.state)),
    TableColumn("proposed by", lambda each: each.proposer),
    TableColumn("until", lambda each: told_if_set(each.expire_time), only_wide=True),
    TableColumn("decided by", lambda each: each.decider),
    TableColumn("acted", lambda each: told_if_set(each.act_time), only_wide=True),
    TableColumn("failed because", _failure, only_wide=True),
    TableColumn("reason", lambda each: each.note),
)


@click.group()
def reconciliation() -> None:
    """Compare this region's records with those of others, and repair what differs."""


@reconciliation.command()
@reads(limit_option())
@click.option("--with", "with_region", default="", help="Only days with this region.")
def days(asking: Asking, with_region: str) -> None:
    """List compared days, the newest first.

    \b
    Example:
      region-node reconciliation days --with sichuan
    """
    request = api.ListReconciledDaysRequest(region=with_region)
    found = asking.ask(lambda channel: ReconciliationServiceStub(channel).ListReconciledDays, request)
    asking.show(found, _DAYS, found.days)


@reconciliation.command()
@reads(limit_option())
@click.option("--with", "with_region", default="", help="Only differences from this region.")
@click.option("--closed", is_flag=True, help="Also those that a later comparison no longer found.")
def differences(asking: Asking, with_region: str, closed: bool) -> None:
    """List records on which this region and another differ, the newest day first.

    \b
    Example:
      region-node reconciliation differences --with sichuan
    """
    request = api.ListDifferencesRequest(region=with_region, closed=closed)
    found = asking.ask(lambda channel: ReconciliationServiceStub(channel).ListDifferences, request)
    asking.show(found, _DIFFERENCES, found.differences)


@reconciliation.command()
@repeats(with_json=False)
@click.argument("with_region", metavar="REGION")
@click.argument("day")
def compare(asking: Asking, with_region: str, day: str) -> None:
    """Compare DAY, as YYYY-MM-DD, with REGION now, besides the nightly comparison.

    \b
    Example:
      region-node reconciliation compare sichuan 2026-12-09
    """
    request = api.CompareDayRequest(region=with_region, day=day)
    asking.ask(lambda channel: ReconciliationServiceStub(channel).CompareDay, request)


@reconciliation.command()
@writes(done="proposed")
@click.argument("with_region", metavar="REGION")
@click.argument("record")
@click.argument("serial")
@click.option("--act", type=click.Choice(list(_ACTS)), required=True, help="The act of repair.")
@click.option("--by", "acting_region", required=True, help="The region that acts: this one or REGION.")
@click.option("--note", required=True, help="The reason, for the other region; names no customer.")
def propose(
    asking: Asking, with_region: str, record: str, serial: str, act: str, acting_region: str, note: str
) -> None:
    """Propose to REGION how the difference about a RECORD (as `order`) with a SERIAL is repaired.

    A record that one region has lost is restored by the other one, which has it and what the first one signed about it.

    \b
    Examples:
      region-node reconciliation propose sichuan order guangdong/crm/7 --act send-again --by sichuan --note "no receipt"
      region-node reconciliation propose sichuan order guangdong/crm/8 --act correct --by guangdong --note "5 too much"
      region-node reconciliation propose sichuan order guangdong/crm/9 --act restore --by guangdong --note "disk lost"
    """
    request = api.ProposeRepairRequest(
        region=with_region, record_kind=record, serial=serial, act=_ACTS[act], acting_region=acting_region, note=note
    )
    answer = asking.ask(lambda channel: ReconciliationServiceStub(channel).ProposeRepair, request)
    asking.tell(answer.repair, _REPAIRS.show_one)


@reconciliation.command()
@writes(done="confirmed")
@click.argument("repair_id")
def confirm(asking: Asking, repair_id: str) -> None:
    """Confirm a repair that another region has proposed.

    \b
    Example:
      region-node reconciliation confirm guangdong/staff/li/r-17
    """
    _decide(asking, api.DecideRepairRequest(repair_id=repair_id, confirmed=True))


@reconciliation.command()
@writes(done="rejected")
@click.argument("repair_id")
def reject(asking: Asking, repair_id: str) -> None:
    """Reject a repair that another region has proposed.

    \b
    Example:
      region-node reconciliation reject guangdong/staff/li/r-17
    """
    _decide(asking, api.DecideRepairRequest(repair_id=repair_id))


@reconciliation.command()
@reads(limit_option())
@click.option("--undecided", is_flag=True, help="Only those that wait for a decision.")
def repairs(asking: Asking, undecided: bool) -> None:
    """List repairs that this region or another has proposed, the newest first.

    \b
    Example:
      region-node reconciliation repairs --undecided
    """
    request = api.ListRepairsRequest(undecided=undecided)
    found = asking.ask(lambda channel: ReconciliationServiceStub(channel).ListRepairs, request)
    asking.show(found, _REPAIRS, found.repairs)


def _decide(asking: Asking, request: api.DecideRepairRequest) -> None:
    answer = asking.ask(lambda channel: ReconciliationServiceStub(channel).DecideRepair, request)
    asking.tell(answer.repair, _REPAIRS.show_one)


def _record(record: ReconciledRecord) -> str:
    """The state and the amount of a copy."""
    if not record.serial:
        return translated("none")
    return f"{record.state} {_money(record.amount)}" if record.HasField("amount") else record.state


def _money(amount: Money) -> str:
    return in_major_units(amount.minor_units, amount.currency)
