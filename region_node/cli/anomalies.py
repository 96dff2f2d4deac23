"""`region-node anomalies`: what others do with lines of this region beyond their usual measure."""

import click

from gateway.api.region.v1 import anomaly_service_pb2 as api
from gateway.api.region.v1.anomaly_service_pb2 import Anomaly, AnomalyCause, AnomalyFinding, AnomalyState
from gateway.api.region.v1.anomaly_service_pb2_grpc import AnomalyServiceStub
from gateway.cli.asking import limit_option
from gateway.cli.table import Table, TableColumn
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set
from gateway.wording.words import value_word
from region_node.cli.asking import Asking, reads, repeats

_FINDING = "ANOMALY_FINDING_"
_FINDINGS = [name.removeprefix(_FINDING).lower() for name in AnomalyFinding.keys()[1:]]
_ANOMALIES = Table[Anomaly](
    TableColumn("id", lambda each: each.id),
    TableColumn("cause", lambda each: value_word(AnomalyCause.DESCRIPTOR, each.cause)),
    TableColumn("region", lambda each: region_name(each.region)),
    TableColumn("operator", lambda each: each.operator),
    TableColumn("staff", lambda each: each.staff_id),
    TableColumn("count", lambda each: str(each.count)),
    TableColumn("at most", lambda each: str(each.most)),
    TableColumn("found at", lambda each: told_if_set(each.find_time), only_wide=True),
    TableColumn("due", lambda each: told_if_set(each.due_time)),
    TableColumn("state", lambda each: value_word(AnomalyState.DESCRIPTOR, each.state)),
    TableColumn("finding", lambda each: value_word(AnomalyFinding.DESCRIPTOR, each.finding) if each.finding else ""),
    TableColumn("reference", lambda each: each.reference, only_wide=True),
    TableColumn("acknowledged by", lambda each: each.acknowledger, only_wide=True),
    TableColumn("acknowledged at", lambda each: told_if_set(each.acknowledge_time), only_wide=True),
)


@click.group()
def anomalies() -> None:
    """Look at anomalies: many lines, many failures or unusual hours of an operator system, a person or a region."""


@anomalies.command("list")
@reads(limit_option())
@click.option("--all", "is_all", is_flag=True, help="Acknowledged ones, too.")
def list_(asking: Asking, *, is_all: bool) -> None:
    """List the anomalies that wait for people, the newest first.

    \b
    Example:
      region-node anomalies list --all
    """
    request = api.ListAnomaliesRequest(all=is_all)
    found = asking.ask(lambda channel: AnomalyServiceStub(channel).ListAnomalies, request)
    asking.show(found, _ANOMALIES, found.anomalies)


@anomalies.command()
@repeats(done="acknowledged")
@click.argument("anomaly")
@click.option("--finding", required=True, type=click.Choice(_FINDINGS), help="What it was.")
@click.option("--reference", required=True, help="The file or ticket with the reason.")
def acknowledge(asking: Asking, anomaly: str, finding: str, reference: str) -> None:
    """Record what was found about ANOMALY. Then nobody is called about it, and its risk ends.

    \b
    Example:
      region-node anomalies acknowledge 2026-11-29T03Z/henan/many-lines/1 --finding expected --reference CAMPAIGN-7
    """
    request = api.AcknowledgeAnomalyRequest(
        anomaly_id=anomaly, finding=AnomalyFinding.Value(_FINDING + finding.upper()), reference=reference
    )
    answer = asking.ask(lambda channel: AnomalyServiceStub(channel).AcknowledgeAnomaly, request)
    asking.tell(answer.anomaly, _ANOMALIES.show_one)
