"""`region-node problems`: problems of the network that the region follows, and which services its lines use."""

import csv
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import click
import grpc

from gateway.api.federation.v1.problem_pb2 import NetworkCondition, PerceivedSeverity, ProblemHeader, ProblemState
from gateway.api.region.v1 import problem_service_pb2 as api
from gateway.api.region.v1.problem_service_pb2_grpc import ProblemServiceStub
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Requester
from gateway.errors import from_rpc_error
from gateway.languages import translated
from gateway.terminal import print_table
from gateway.times import told_if_set, told_time
from gateway.words import word
from region_node.cli.asking import answer_of
from region_node.cli.connection import Target, connection_options
from region_node.cli.exits import REFUSED, leave
from region_node.cli.network.problem_view import told_cause
from region_node.cli.options import channel_option, json_option, print_message, requester_of, staff_option
from region_node.cli.outcome import may_pass, told_by

T = TypeVar("T")

_CALL_SECONDS = 30.0
_AT_ONCE = 500  # bindings in one request
_MOST_REFUSED = 100  # lines of a file, after which it is likely the wrong file
_SHOWN = 3  # dockets


@click.group()
def problems() -> None:
    """See the problems of the network that the region follows, and say which network services its lines use."""


@problems.command("list")
@connection_options
@click.option("--all", "with_ended", is_flag=True, help="Also those that have ended.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="At most so many.")
@staff_option
@channel_option
@json_option
def list_command(target: Target, with_ended: bool, limit: int, staff_id: str, channel: str, as_json: bool) -> None:
    """List problems of the network, newest first, with how many of the region's customers each affects.

    \b
    Examples:
      region-node problems list --staff-id 4711
      region-node problems list --staff-id 4711 --all --json

    \b
    Exit codes:
      0  shown
      1  refused; the text says why
      2  the command line or the credentials cannot be used
      3  the node cannot be reached, or cannot answer just now
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
@staff_option
@channel_option
def bind(target: Target, number: str, service: str, staff_id: str, channel: str) -> None:
    """Say that the line with NUMBER uses the network service SERVICE.

    \b
    Examples:
      region-node problems bind +8619844000001 broadband-guangzhou --staff-id 4711

    \b
    Exit codes:
      0  done, also where it was so before
      1  refused; the text says why
      2  the command line or the credentials cannot be used
      3  not known: run it again
    """
    _bind(target, [api.LineBinding(number=number, service=service)], requester_of(staff_id, channel))


@problems.command()
@click.argument("number")
@click.argument("service")
@connection_options
@staff_option
@channel_option
def unbind(target: Target, number: str, service: str, staff_id: str, channel: str) -> None:
    """Say that the line with NUMBER does not use the network service SERVICE any more.

    \b
    Examples:
      region-node problems unbind +8619844000001 broadband-guangzhou --staff-id 4711

    \b
    Exit codes:
      0  done, also where it was so before
      1  refused; the text says why
      2  the command line or the credentials cannot be used
      3  not known: run it again
    """
    request = api.UnbindLineRequest(
        binding=api.LineBinding(number=number, service=service), requester=requester_of(staff_id, channel)
    )
    _ask(target, lambda node: node.UnbindLine(request, timeout=_CALL_SECONDS))


@problems.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@connection_options
@staff_option
@channel_option
def import_file(target: Target, file: Path, staff_id: str, channel: str) -> None:
    """Take over which line uses which network service from FILE, a CSV file with the columns number and service.

    What is bound already stays so: run it again after whatever ended it. A line of the file that is refused keeps
    nothing else from being taken.

    \b
    Examples:
      region-node problems import lines.csv --staff-id 4711

    \b
    Exit codes:
      0  all lines were taken
      1  some lines were not taken, or it was refused; the text says why
      2  the command line, the credentials or the file cannot be used
      3  the node went away before the end: run it again
    """
    requester, rows = requester_of(staff_id, channel), _read(file)
    taken = _ask(target, lambda node: _import(target, node, rows, requester))
    click.echo(translated("{count} bound, {new} of them new", count=taken.bound, new=taken.new))
    if taken.refused:
        told = [translated("line {line}: {problem}", line=line, problem=problem) for line, problem in taken.refused]
        more = [translated("Too many lines are refused: the rest of the file was not looked at.")]
        leave("\n".join([*told, *(more if len(taken.refused) >= _MOST_REFUSED else [])]), REFUSED)


@dataclass
class _Taken:
    """What became of the lines of a file."""

    bound: int = 0
    new: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)


_Row = tuple[int, api.LineBinding]
"""The number of a line of a file, and what it says."""


async def _import(target: Target, node: ProblemServiceStub, rows: Sequence[_Row], requester: Requester) -> _Taken:
    taken, waiting = _Taken(), [rows[first : first + _AT_ONCE] for first in range(0, len(rows), _AT_ONCE)][::-1]
    while waiting and len(taken.refused) < _MOST_REFUSED:
        some = waiting.pop()
        request = api.BindLinesRequest(bindings=[binding for _, binding in some], requester=requester)
        try:
            answer = await node.BindLines(request, timeout=_CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            if may_pass(error) or not _is_of_one(error):
                raise
            if len(some) == 1:
                taken.refused.append((some[0][0], told_by(error, target)))
            else:  # all of it or nothing is bound: which line it was is found by halves
                waiting += [some[len(some) // 2 :], some[: len(some) // 2]]
            continue
        taken.bound += len(some)
        taken.new += answer.bound
    return taken


def _is_of_one(error: grpc.aio.AioRpcError) -> bool:
    """Whether a refusal is of one line, and not of who asks."""
    refused = from_rpc_error(error)
    if refused is None or refused.reason == Reason.REASON_PERMISSION_DENIED:
        return False
    return not refused.parameters.get("field", "").startswith("requester")


def _read(file: Path) -> Sequence[_Row]:
    """The lines of a file that say something. Raises UsageError."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            if not {"number", "service"} <= set(reader.fieldnames or ()):
                raise KeyError
            return [
                (reader.line_num, api.LineBinding(number=(row["number"] or "").strip(), service=row["service"] or ""))
                for row in reader
            ]
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
        translated("until"),
        translated("customers"),
        translated("complaints"),
    ]
    print_table(columns, [_row(each) for each in found])


def _row(followed: api.FollowedProblem) -> list[str]:
    header = followed.header
    return [
        header.id,
        _state(header),
        word(PerceivedSeverity.Name(header.severity), "PERCEIVED_SEVERITY_"),
        told_cause(header),
        ", ".join(header.services),
        told_time(header.start_time, timespec="seconds"),
        told_if_set(header.end_time, timespec="seconds"),
        str(followed.customers),
        _complaints(followed.complaints),
    ]


def _state(header: ProblemHeader) -> str:
    state = word(ProblemState.Name(header.state), "PROBLEM_STATE_")
    if header.state == ProblemState.PROBLEM_STATE_IN_PROGRESS and header.condition:
        state = f"{state}, {word(NetworkCondition.Name(header.condition), 'NETWORK_CONDITION_')}"
    return f"{state} → {header.merged_into}" if header.merged_into else state


def _complaints(dockets: Sequence[str]) -> str:
    """Some of the dockets by name; --json names them all."""
    shown = ", ".join(dockets[:_SHOWN])
    more = len(dockets) - _SHOWN
    return translated("{some} and {count} more", some=shown, count=more) if more > 0 else shown


def _ask(target: Target, call: Callable[[ProblemServiceStub], Awaitable[T]]) -> T:
    return answer_of(target, lambda channel: call(ProblemServiceStub(channel)))
