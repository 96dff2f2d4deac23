"""`region-node problems`: problems of the network that the region follows, and which services its lines use."""

import csv
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

import click

from gateway.api.federation.v1.problem_pb2 import NetworkElementKind, PerceivedSeverity, ProblemState
from gateway.api.region.v1 import problem_service_pb2 as api
from gateway.api.region.v1.problem_service_pb2_grpc import ProblemServiceStub
from gateway.api.types.v1.types_pb2 import Requester
from gateway.clock import from_timestamp
from gateway.federation.problems import is_cause_known
from gateway.languages import translated
from gateway.terminal import print_table
from gateway.words import word
from region_node.cli.asking import answer_of
from region_node.cli.connection import CHANNELS, Target, connection_options
from region_node.cli.options import json_option, print_message, requester_of

T = TypeVar("T")

_CALL_SECONDS = 30.0
_AT_ONCE = 500  # bindings in one request
_staff_option = click.option(
    "--staff-id", default="", help="Who asks; members of staff are named by their certificate."
)
_channel_option = click.option(
    "--channel", type=click.Choice(CHANNELS), default="counter", show_default=True, help="Through what."
)


@click.group()
def problems() -> None:
    """See the problems of the network that the region follows, and say which network services its lines use."""


@problems.command("list")
@connection_options
@click.option("--all", "with_ended", is_flag=True, help="Also those that have ended.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="At most so many.")
@_staff_option
@_channel_option
@json_option
def list_command(target: Target, with_ended: bool, limit: int, staff_id: str, channel: str, as_json: bool) -> None:
    """List problems of the network, newest first, with how many of the region's customers each affects.

    \b
    Examples:
      region-node problems list --staff-id 4711
    """
    request = api.ListFollowedProblemsRequest(
        with_ended=with_ended, page_size=limit, requester=requester_of(staff_id, channel)
    )
    found = _ask(target, lambda node: node.ListFollowedProblems(request, timeout=_CALL_SECONDS))
    if as_json:
        print_message(found)
    else:
        _print_problems(found.problems)


@problems.command()
@click.argument("number")
@click.argument("service")
@connection_options
@_staff_option
@_channel_option
def bind(target: Target, number: str, service: str, staff_id: str, channel: str) -> None:
    """Say that the line with NUMBER uses the network service SERVICE.

    \b
    Examples:
      region-node problems bind +8619844000001 broadband-guangzhou --staff-id 4711
    """
    _bind(target, [api.LineBinding(number=number, service=service)], requester_of(staff_id, channel))


@problems.command()
@click.argument("number")
@click.argument("service")
@connection_options
@_staff_option
@_channel_option
def unbind(target: Target, number: str, service: str, staff_id: str, channel: str) -> None:
    """Say that the line with NUMBER does not use the network service SERVICE any more.

    \b
    Examples:
      region-node problems unbind +8619844000001 broadband-guangzhou --staff-id 4711
    """
    request = api.UnbindLineRequest(
        binding=api.LineBinding(number=number, service=service), requester=requester_of(staff_id, channel)
    )
    _ask(target, lambda node: node.UnbindLine(request, timeout=_CALL_SECONDS))


@problems.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@connection_options
@_staff_option
@_channel_option
def import_file(target: Target, file: Path, staff_id: str, channel: str) -> None:
    """Take over which line uses which network service from FILE, a CSV file with the columns number and service.

    What is bound already stays so: run it again after whatever ended it.

    \b
    Examples:
      region-node problems import lines.csv --staff-id 4711
    """
    bindings = _read(file)
    while some := list(islice(bindings, _AT_ONCE)):
        _bind(target, some, requester_of(staff_id, channel))


def _read(file: Path) -> Iterator[api.LineBinding]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            for row in csv.DictReader(lines):
                yield api.LineBinding(number=row["number"] or "", service=row["service"] or "")
    except (KeyError, UnicodeError, csv.Error) as error:
        problem = translated("{file}: it is no CSV file with the columns number and service", file=file)
        raise click.UsageError(problem) from error


def _bind(target: Target, bindings: Sequence[api.LineBinding], requester: Requester) -> None:
    request = api.BindLinesRequest(bindings=bindings, requester=requester)
    answer = _ask(target, lambda node: node.BindLines(request, timeout=_CALL_SECONDS))
    click.echo(translated("{count} bound, {new} of them new", count=len(bindings), new=answer.bound))


def _print_problems(found: Sequence[api.FollowedProblem]) -> None:
    columns = [
        translated("problem"),
        translated("state"),
        translated("severity"),
        translated("cause"),
        translated("services"),
        translated("since"),
        translated("customers"),
        translated("complaints"),
    ]
    print_table(columns, [_row(each) for each in found])


def _row(followed: api.FollowedProblem) -> list[str]:
    header = followed.header
    kind = word(NetworkElementKind.Name(header.root_cause.kind), "NETWORK_ELEMENT_KIND_")
    cause = f"{kind} {header.root_cause.id}"
    return [
        header.id,
        word(ProblemState.Name(header.state), "PROBLEM_STATE_"),
        word(PerceivedSeverity.Name(header.severity), "PERCEIVED_SEVERITY_"),
        cause if is_cause_known(header) else translated("unknown, near {element}", element=cause),
        ", ".join(header.services),
        f"{from_timestamp(header.start_time):%Y-%m-%d %H:%M:%S}",
        str(followed.customers),
        ", ".join(followed.complaints),
    ]


def _ask(target: Target, call: Callable[[ProblemServiceStub], Awaitable[T]]) -> T:
    return answer_of(target, lambda channel: call(ProblemServiceStub(channel)))
