"""`coordinator upgrade`."""

import json
from datetime import UTC, datetime

import click

from coordinator.cli.asking import Asking, asks
from coordinator.cli.upgrade.rules import COORDINATOR, Plan, Process, Step, StepKind, Waiting, is_coordinator, plan_of
from coordinator.schema import PACKAGES
from coordinator.wording.ages import told_age
from gateway.api.coordinator.v1.administration_pb2 import ListRegionsRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import MembershipServiceStub
from gateway.api.federation.v1.federation_pb2 import Feature, ProcessVersion
from gateway.cli.asking import exit_codes
from gateway.cli.exits import REFUSED
from gateway.cli.table import Table, TableColumn
from gateway.federation.versions import OwnVersion
from gateway.store import sqlite_schema
from gateway.store.schema import migrations_of
from gateway.wording.languages import translated
from gateway.wording.terms import region_name

_EXITS = exit_codes(
    "all are at one version, and nothing waits",
    "something is to be done, or the request was refused",
    "wrong usage or settings",
    "the coordinator cannot be reached",
)
_FEATURE = "FEATURE_"


@click.group()
def upgrade() -> None:
    """Plan the upgrade of a federation."""


@upgrade.command("plan")
@asks(exits=_EXITS)
def plan(asking: Asking) -> None:
    """Show who is at which version, what waits for whom, and what to do next, in which order.

    The newest version of the coordinators counts, or the version of this command where that is newer. Coordinators come
    first, then regions. Schema files that contract come last: after them there is no way back.

    The plan is that of one instant, as old as the last heartbeat of each region. A region that is away is shown with
    the last version that the coordinator knows of it: ask again before you act by it.

    \b
    Example:
      coordinator upgrade plan --coordinator 127.0.0.1:7000 --credentials admin \\
        --federation crossregion.example
    """
    told = asking.ask(lambda channel: MembershipServiceStub(channel).ListRegions, ListRegionsRequest())
    # The files of a coordinator alone: regions have others, and are compared by what they tell.
    found = plan_of(told, OwnVersion(migrations_of(*PACKAGES), sqlite_schema.ENGINE).told())
    if asking.as_json:
        click.echo(json.dumps(_json(found), indent=2, ensure_ascii=False))
    else:
        _print(found)
    if not found.is_done:
        click.get_current_context().exit(REFUSED)


def _print(found: Plan) -> None:
    _processes(datetime.now(UTC)).show(found.processes)
    for waiting in found.waiting:
        click.echo(_waiting_line(waiting))
    if found.steps:
        _STEPS.show(enumerate(found.steps, 1), translated("What to do, in this order"))
    if found.is_done:
        click.echo(translated("all are at version {version}", version=_version(found.target)))


def _version(version: str) -> str:
    return version or translated("0.2.0 or older")


def _shown_version(process: Process) -> str:
    if process.is_unknown:
        return "–"
    version = _version(process.version.version)
    return translated("{version} (last known)", version=version) if process.is_away else version


def _schema(version: ProcessVersion) -> str:
    if version.newer_files:
        number, count = version.schema_number, version.newer_files
        return translated("{number}; {count} newer files are applied", number=number, count=count)
    return str(version.schema_number or "")


def _member(member: str) -> str:
    return member if is_coordinator(member) or member == COORDINATOR else region_name(member)


def _waiting_line(waiting: Waiting) -> str:
    region = _member(waiting.region)
    if waiting.envelopes:
        origin, count = _member(waiting.origin), waiting.envelopes
        return translated(
            "{count} envelopes from {origin} wait until {region} is upgraded", count=count, origin=origin, region=region
        )
    if waiting.unreadable:
        return translated("{region} has to be upgraded: {problem}", region=region, problem=waiting.unreadable)
    feature = Feature.Name(waiting.feature).removeprefix(_FEATURE)
    return translated("{feature} is not used towards {region} before its upgrade", feature=feature, region=region)


def _what(step: Step) -> str:
    member, endpoint = _member(step.member), step.endpoint
    match step.kind:
        case StepKind.REPLACE_COORDINATOR:
            return translated(
                "run `coordinator migrate`, and replace {member} at {endpoint}", member=member, endpoint=endpoint
            )
        case StepKind.REPLACE_PROCESS:
            return translated(
                "run `region-node migrate` in {member}, and replace its process at {endpoint}",
                member=member,
                endpoint=endpoint,
            )
        case StepKind.LOOK_AT_REGION:
            return translated("look at {member}: no process of it is connected", member=member)
        case StepKind.CONTRACT:
            return translated(
                "once no older version is to come back: run `{program} migrate --contract` at {member} ({files})",
                program=COORDINATOR if step.member == COORDINATOR else "region-node",
                member=member,
                files=step.files,
            )


def _processes(now: datetime) -> Table[Process]:
    return Table[Process](
        TableColumn("member", lambda each: _member(each.member)),
        TableColumn("endpoint", lambda each: each.endpoint or translated("away")),
        TableColumn("version", _shown_version),
        TableColumn("schema", lambda each: _schema(each.version)),
        TableColumn("heartbeat", lambda each: told_age(each.heartbeat_time, now) if each.heartbeat_time else ""),
        TableColumn("to be replaced", lambda each: translated("yes") if each.is_behind else ""),
    )


_STEPS = Table[tuple[int, Step]](
    TableColumn("step", lambda each: str(each[0])),
    TableColumn("what", lambda each: _what(each[1])),
)


def _json(found: Plan) -> dict[str, object]:
    return {
        "target": found.target,
        "processes": [_process(each) for each in found.processes],
        "waiting": [_waiting(each) for each in found.waiting],
        "steps": [
            {"step": each.kind.value, "member": each.member, "endpoint": each.endpoint, "contracting_files": each.files}
            for each in found.steps
        ],
        "is_done": found.is_done,
    }


def _process(process: Process) -> dict[str, object]:
    heartbeat = process.heartbeat_time
    return {
        "member": process.member,
        "endpoint": process.endpoint,
        **_told(process.version),
        "heartbeat_time": heartbeat.ToJsonString() if heartbeat else "",
        "is_away": process.is_away,
        "is_behind": process.is_behind,
    }


def _told(version: ProcessVersion) -> dict[str, object]:
    return {
        "version": version.version,
        "schema_number": version.schema_number,
        "newer_files": version.newer_files,
        "contracting_files": version.contracting_files,
    }


def _waiting(waiting: Waiting) -> dict[str, object]:
    feature = Feature.Name(waiting.feature) if waiting.feature else ""
    return {
        "region": waiting.region,
        "feature": feature,
        "envelopes": waiting.envelopes,
        "origin": waiting.origin,
        "unreadable": waiting.unreadable,
    }
