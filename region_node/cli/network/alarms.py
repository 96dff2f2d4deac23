"""`region-node alarms`: what is wrong with the network."""

from collections.abc import Sequence
from pathlib import Path

import click
from google.protobuf.message import Message

from gateway.api.federation.v1.problem_pb2 import PerceivedSeverity
from gateway.api.region.v1 import alarm_service_pb2 as api
from gateway.api.region.v1.alarm_pb2 import Alarm, AlarmAckState, AlarmState, NetworkObject
from gateway.api.region.v1.alarm_service_pb2 import AlarmReport, SendAlarmsRequest, SendAlarmsResponse
from gateway.api.region.v1.alarm_service_pb2_grpc import AlarmServiceStub
from gateway.languages import translated
from gateway.terminal import print_table, tell_more
from gateway.times import told_if_set, told_time
from gateway.words import word
from region_node.cli.asking import answer_of, follow
from region_node.cli.connection import Target, connection_options, patience_option
from region_node.cli.network.network_file import NetworkFile, NetworkFileUnusable
from region_node.cli.network.network_import import Kind, run_import, source_option
from region_node.cli.options import json_option, print_message, summary_json_option

_CALL_SECONDS = 30.0
_SEVERITIES = [each.removeprefix("PERCEIVED_SEVERITY_").lower() for each in PerceivedSeverity.keys()[1:]]
_KIND: Kind[AlarmReport, SendAlarmsRequest, SendAlarmsResponse] = Kind(
    piece=200,
    opening=lambda source: SendAlarmsRequest(source=source),
    request=lambda first, reports: SendAlarmsRequest(first_sequence=first, reports=reports),
    nothing=AlarmReport,
    call=lambda channel, requests: aiter(AlarmServiceStub(channel).SendAlarms(requests)),
)


@click.group()
def alarms() -> None:
    """See what is wrong with the network, say that it was seen or is over, and take over alarms from a file."""


@alarms.command("list")
@connection_options
@click.option("--all", "with_cleared", is_flag=True, help="Also those that are over.")
@click.option("--unacknowledged", is_flag=True, help="Only those that nobody has seen.")
@click.option("--severity", type=click.Choice(_SEVERITIES), help="Only those at least so bad.")
@click.option("--link", default="", help="Only those of this link.")
@click.option("--site", default="", help="Only those of this site.")
@click.option("--service", default="", help="Only those of this service.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="At most so many.")
@json_option
def list_command(
    target: Target,
    with_cleared: bool,
    unacknowledged: bool,
    severity: str | None,
    link: str,
    site: str,
    service: str,
    limit: int,
    as_json: bool,
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
        page_size=limit,
        include_cleared=with_cleared,
        unacknowledged=unacknowledged,
        alarmed_object=NetworkObject(**named) if named else None,
        least_severity=PerceivedSeverity.Value(f"PERCEIVED_SEVERITY_{(severity or 'unspecified').upper()}"),
    )
    found = answer_of(target, lambda channel: AlarmServiceStub(channel).ListAlarms(request, timeout=_CALL_SECONDS))
    _tell(found, found.alarms, as_json=as_json)
    tell_more(found.next_page_token)


@alarms.command()
@click.argument("alarm_ids", metavar="ALARM...", nargs=-1, required=True)
@connection_options
@json_option
def ack(target: Target, alarm_ids: Sequence[str], as_json: bool) -> None:
    """Say, as a member of staff, that alarms were seen. Those that somebody has seen before stay as they are.

    \b
    Examples:
      region-node alarms ack sichuan/alarm-3 sichuan/alarm-4
    """
    request = api.AcknowledgeAlarmsRequest(alarm_ids=alarm_ids)
    found = answer_of(
        target, lambda channel: AlarmServiceStub(channel).AcknowledgeAlarms(request, timeout=_CALL_SECONDS)
    )
    _tell(found, found.alarms, as_json=as_json)


@alarms.command()
@click.argument("alarm_ids", metavar="ALARM...", nargs=-1, required=True)
@connection_options
@json_option
def clear(target: Target, alarm_ids: Sequence[str], as_json: bool) -> None:
    """Say, as a member of staff, that troubles are over of which no system says so any more.

    A link or a site of which a critical alarm is there is down until it is over. What is still wrong raises another
    alarm, once a system sends it or it is measured again.

    \b
    Examples:
      region-node alarms clear sichuan/alarm-3
    """
    request = api.ClearAlarmsRequest(alarm_ids=alarm_ids)
    found = answer_of(target, lambda channel: AlarmServiceStub(channel).ClearAlarms(request, timeout=_CALL_SECONDS))
    _tell(found, found.alarms, as_json=as_json)


@alarms.command()
@connection_options
@click.option("--token", default="", help="Where to resume: the token that was printed last.")
@json_option
def watch(target: Target, token: str, as_json: bool) -> None:
    """Print each change of an alarm as it happens, until interrupted.

    \b
    Examples:
      region-node alarms watch --json
    """
    request = api.WatchAlarmsRequest(token=token)

    def tell(change: api.WatchAlarmsResponse) -> None:
        if as_json:
            print_message(change)
        elif change.HasField("alarm"):
            click.echo("  ".join(filter(None, _row(change.alarm))))

    follow(target, lambda channel: AlarmServiceStub(channel).WatchAlarms(request), tell)


@alarms.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@connection_options
@click.option(
    "--rejects",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the lines that were not taken here, as CSV: line, reason, why, and the line.",
)
@source_option
@summary_json_option
@patience_option
def import_file(target: Target, file: Path, rejects: Path | None, source: str, as_json: bool, patience: float) -> None:
    """Send the reports of FILE to the running node: CSV with a header, or a JSON object in each line.

    Columns, or names, are external_alarm_id, state (raised, updated, cleared), time (2026-11-01T09:00:00+08:00), one of
    site, link and service, alarm_type (communications, processing-error, environmental, quality-of-service, equipment),
    perceived_severity (critical, major, minor, warning, indeterminate), probable_cause, specific_problem,
    service_affecting and planned_outage. The node remembers how far it got, by the content of FILE: run the same
    command again after whatever ended it, and it goes on there. Lines that were not taken are told by the run that sent
    them.

    \b
    Examples:
      region-node alarms import alarms.csv --rejects rejected.csv
      region-node alarms import growing.jsonl --source watch-chengdu

    \b
    Exit codes:
      0  all lines were taken
      1  some lines were not taken, or it was refused; the text says why
      2  the command line, the credentials or the file cannot be used
      3  the node went away before the end: run it again
    """
    try:
        opened = NetworkFile(file, AlarmReport, source)
    except NetworkFileUnusable as error:
        raise click.UsageError(str(error)) from error
    run_import(target, opened, _KIND, rejects, patience, as_json=as_json)


def _tell(answer: Message, found: Sequence[Alarm], *, as_json: bool) -> None:
    if as_json:
        print_message(answer)
        return
    columns = [
        translated("alarm"),
        translated("object"),
        translated("severity"),
        translated("cause"),
        translated("state"),
        translated("since"),
        translated("until"),
        translated("seen by"),
        translated("fault"),
        translated("affected services"),
    ]
    print_table(columns, [_row(each) for each in found])


def _row(alarm: Alarm) -> list[str]:
    about = alarm.alarmed_object
    seen = alarm.ack_state == AlarmAckState.ALARM_ACK_STATE_ACKNOWLEDGED
    return [
        alarm.id,
        about.site or about.link or about.service,
        word(PerceivedSeverity.Name(alarm.perceived_severity), "PERCEIVED_SEVERITY_"),
        alarm.probable_cause,
        word(AlarmState.Name(alarm.state), "ALARM_STATE_"),
        told_time(alarm.raise_time, timespec="seconds"),
        told_if_set(alarm.clear_time, timespec="seconds"),
        alarm.ack_user if seen else "",
        alarm.fault_id,
        " ".join(alarm.affected_services),
    ]
