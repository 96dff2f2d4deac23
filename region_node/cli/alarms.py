"""`region-node alarms`: the alarms of the network."""

from collections.abc import Sequence
from pathlib import Path

import click

from gateway.api.federation.v1.problem_pb2 import PerceivedSeverity
from gateway.api.region.v1 import alarm_service_pb2 as api
from gateway.api.region.v1.alarm_pb2 import Alarm, AlarmAckState, AlarmState, NetworkObject
from gateway.api.region.v1.alarm_service_pb2 import AlarmReport, SendAlarmsRequest, SendAlarmsResponse
from gateway.api.region.v1.alarm_service_pb2_grpc import AlarmServiceStub
from gateway.cli.asking import limit_option
from gateway.cli.option_words import option_words
from gateway.cli.table import Table, TableColumn
from gateway.wording.languages import translated
from gateway.wording.times import told_if_set, told_time
from gateway.wording.words import told_severity, value_word
from region_node.cli.asking import Asking, reads, repeats, watch
from region_node.cli.imports.network_file import NetworkFile
from region_node.cli.imports.network_import import Kind, import_options, run_import
from region_node.network.measurements.objects import name_of

_ACKNOWLEDGED = AlarmAckState.ALARM_ACK_STATE_ACKNOWLEDGED
_SEVERITIES = option_words(PerceivedSeverity.items())
_KIND: Kind[AlarmReport, SendAlarmsRequest, SendAlarmsResponse] = Kind(
    piece=200,
    opening=lambda source: SendAlarmsRequest(source=source),
    request=lambda first, reports: SendAlarmsRequest(first_sequence=first, reports=reports),
    nothing=AlarmReport,
    call=lambda channel, requests: aiter(AlarmServiceStub(channel).SendAlarms(requests)),
)


_ALARMS = Table[Alarm](
    TableColumn("alarm", lambda each: each.id),
    TableColumn("object", lambda each: name_of(each.alarmed_object)),
    TableColumn("severity", lambda each: told_severity(each.perceived_severity)),
    TableColumn("cause", lambda each: each.probable_cause),
    TableColumn("state", lambda each: value_word(AlarmState.DESCRIPTOR, each.state)),
    TableColumn("since", lambda each: told_time(each.raise_time, timespec="seconds")),
    TableColumn("until", lambda each: told_if_set(each.clear_time, timespec="seconds")),
    TableColumn("seen by", lambda each: each.ack_user if each.ack_state == _ACKNOWLEDGED else ""),
    TableColumn("fault", lambda each: each.fault_id),
    TableColumn("affected services", lambda each: " ".join(each.affected_services)),
)


@click.group()
def alarms() -> None:
    """See what is wrong with the network, say that it was seen or is over, and take over alarms from a file."""


@alarms.command("list")
@reads(limit_option())
@click.option("--all", "with_cleared", is_flag=True, help="Also those that are over.")
@click.option("--unacknowledged", is_flag=True, help="Only those that nobody has seen.")
@click.option("--severity", type=click.Choice(list(_SEVERITIES)), help="Only those at least so bad.")
@click.option("--link", default="", help="Only those of this link.")
@click.option("--site", default="", help="Only those of this site.")
@click.option("--service", default="", help="Only those of this service.")
def list_command(
    asking: Asking, with_cleared: bool, unacknowledged: bool, severity: str | None, link: str, site: str, service: str
) -> None:
    """List alarms, those that changed last first.

    \b
    Examples:
      region-node alarms list --severity major
      region-node alarms list --link chengdu-guangzhou-1 --all --json
    """
    named = {name: value for name, value in (("link", link), ("site", site), ("service", service)) if value}
    if len(named) > 1:
        raise click.UsageError(translated("name one of --link, --site and --service"))
    request = api.ListAlarmsRequest(
        include_cleared=with_cleared,
        unacknowledged=unacknowledged,
        alarmed_object=NetworkObject(**named) if named else None,
        least_severity=_SEVERITIES.get(severity or "", PerceivedSeverity.PERCEIVED_SEVERITY_UNSPECIFIED),
    )
    found = asking.ask(lambda channel: AlarmServiceStub(channel).ListAlarms, request)
    asking.show(found, _ALARMS, found.alarms)


@alarms.command()
@repeats()
@click.argument("alarm_ids", metavar="ALARM...", nargs=-1, required=True)
def ack(asking: Asking, alarm_ids: Sequence[str]) -> None:
    """Say, as a member of staff, that alarms were seen. Those that somebody has seen before stay as they are.

    \b
    Examples:
      region-node alarms ack sichuan/alarm-3 sichuan/alarm-4
    """
    request = api.AcknowledgeAlarmsRequest(alarm_ids=alarm_ids)
    found = asking.ask(lambda channel: AlarmServiceStub(channel).AcknowledgeAlarms, request)
    asking.show(found, _ALARMS, found.alarms)


@alarms.command()
@repeats()
@click.argument("alarm_ids", metavar="ALARM...", nargs=-1, required=True)
def clear(asking: Asking, alarm_ids: Sequence[str]) -> None:
    """Say, as a member of staff, that troubles are over of which no system says so any more.

    A link or a site of which a critical alarm is there is down until it is over. What is still wrong raises another
    alarm, once a system sends it or it is measured again.

    \b
    Examples:
      region-node alarms clear sichuan/alarm-3
    """
    request = api.ClearAlarmsRequest(alarm_ids=alarm_ids)
    found = asking.ask(lambda channel: AlarmServiceStub(channel).ClearAlarms, request)
    asking.show(found, _ALARMS, found.alarms)


@alarms.command("watch")
@reads()
@click.option("--token", default="", help="Where to resume: the token that was printed last.")
def watch_command(asking: Asking, token: str) -> None:
    """Print each change of an alarm as it happens, until interrupted.

    \b
    Examples:
      region-node alarms watch --json
    """
    request = api.WatchAlarmsRequest(token=token)

    def tell(change: api.WatchAlarmsResponse) -> None:
        if change.HasField("alarm"):
            click.echo("  ".join(filter(None, map(str, _ALARMS.cells(change.alarm)))))

    watch(asking, lambda channel: AlarmServiceStub(channel).WatchAlarms, request, tell)


@alarms.command("import")
@import_options
def import_file(asking: Asking, file: Path, rejects: Path | None, source: str, patience: float) -> None:
    """Send the reports of FILE to the running node: CSV with a header, or a JSON object in each line.

    Columns, or names, are external_id, state (raised, updated, cleared), event_time (2026-11-01T09:00:00+08:00), one of
    site, link and service, alarm_type (communications, processing-error, environmental, quality-of-service, equipment),
    perceived_severity (critical, major, minor, warning, indeterminate), probable_cause, specific_problem,
    service_affecting and planned_outage. The node remembers how far it got, by the content of FILE: run the same
    command again after whatever ended it, and it goes on there. Lines that were not taken are told by the run that sent
    them.

    \b
    Examples:
      region-node alarms import alarms.csv --rejects rejected.csv
      region-node alarms import growing.jsonl --source watch-chengdu
    """
    run_import(asking, NetworkFile(file, AlarmReport, source), _KIND, rejects, patience)
