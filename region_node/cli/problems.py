"""`region-node problems`: problems of the network that the region follows, and which services its lines use."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click
import grpc

from gateway.api.region.v1 import followed_problem_service_pb2 as api
from gateway.api.region.v1.followed_problem_service_pb2_grpc import FollowedProblemServiceStub
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.cli.asking import limit_option
from gateway.cli.exits import REFUSED, leave
from gateway.cli.problems import told_cause, told_state
from gateway.cli.table import Table, TableColumn
from gateway.errors import from_rpc_error
from gateway.wording.languages import enumerated, translated
from gateway.wording.times import told_if_set, told_time
from gateway.wording.words import told_severity
from region_node.cli.asking import NODE, Asking, reads, repeats
from region_node.cli.options import channel_option, staff_option
from region_node.cli.outcome import may_pass, told_by

_CALL_SECONDS = 30.0
_AT_ONCE = 500  # bindings in one request
_MOST_REFUSED = 100  # lines of a file, after which it is likely the wrong file
_SHOWN = 3  # ticket ids


_PROBLEMS = Table[api.FollowedProblem](
    TableColumn("problem", lambda each: each.header.id),
    TableColumn("state", lambda each: told_state(each.header)),
    TableColumn("severity", lambda each: told_severity(each.header.severity)),
    TableColumn("cause", lambda each: told_cause(each.header)),
    TableColumn("services", lambda each: enumerated(each.header.services)),
    TableColumn("since", lambda each: told_time(each.header.start_time, timespec="seconds")),
    TableColumn("until", lambda each: told_if_set(each.header.end_time, timespec="seconds")),
    TableColumn("customers", lambda each: str(each.customers)),
    TableColumn("complaints", lambda each: _complaints(each.ticket_ids)),
    TableColumn("unconfirmed", lambda each: enumerated(each.unconfirmed_services)),
    TableColumn("version", lambda each: str(each.header.version), only_wide=True),
)


@click.group()
def problems() -> None:
    """See the problems of the network that the region follows, and say which network services its lines use."""


@problems.command("list")
@reads(limit_option(), staff_option, channel_option)
@click.option("--all", "include_ended", is_flag=True, help="Also those that have ended.")
def list_command(asking: Asking, include_ended: bool) -> None:
    """List problems of the network, newest first, with how many of the region's customers each affects.

    \b
    Examples:
      region-node problems list --staff-id 4711
      region-node problems list --staff-id 4711 --all --json
    """
    request = api.ListFollowedProblemsRequest(include_ended=include_ended)
    found = asking.ask(lambda channel: FollowedProblemServiceStub(channel).ListFollowedProblems, request)
    asking.show(found, _PROBLEMS, found.problems)


@problems.command()
@repeats(staff_option, channel_option, done="done, also where it was so before", with_json=False)
@click.argument("problem")
@click.option("--version", type=click.IntRange(min=1), required=True, help="The version that you have looked at.")
def confirm(asking: Asking, problem: str, version: int) -> None:
    """Confirm the present state of PROBLEM: customers of its unconfirmed services get their notice.

    Coordinators have told of it, and no alarm or fault of the region supports it. Look at the network first. Needs a
    certificate of staff.

    \b
    Examples:
      region-node problems list --staff-id 4711 --wide
      region-node problems confirm problem-20261210-1f0c3a5b --version 3 --staff-id 4711
    """
    request = api.ConfirmFollowedProblemRequest(problem_id=problem, version=version)
    asking.ask(lambda channel: FollowedProblemServiceStub(channel).ConfirmFollowedProblem, request)


@problems.command()
@repeats(staff_option, channel_option, done="done, also where it was so before", with_json=False)
@click.argument("number")
@click.argument("service")
def bind(asking: Asking, number: str, service: str) -> None:
    """Say that the line with NUMBER uses the network service SERVICE.

    \b
    Examples:
      region-node problems bind +8619844000001 broadband-guangzhou --staff-id 4711
    """
    request = api.BindLinesRequest(bindings=[api.LineBinding(number=number, service=service)])
    answer = asking.ask(lambda channel: FollowedProblemServiceStub(channel).BindLines, request)
    click.echo(translated("{count} bound, {new} of them new", count=1, new=answer.bound))


@problems.command()
@repeats(staff_option, channel_option, done="done, also where it was so before", with_json=False)
@click.argument("number")
@click.argument("service")
def unbind(asking: Asking, number: str, service: str) -> None:
    """Say that the line with NUMBER does not use the network service SERVICE any more.

    \b
    Examples:
      region-node problems unbind +8619844000001 broadband-guangzhou --staff-id 4711
    """
    request = api.UnbindLinesRequest(bindings=[api.LineBinding(number=number, service=service)])
    asking.ask(lambda channel: FollowedProblemServiceStub(channel).UnbindLines, request)


@problems.command("import")
@NODE.asking(staff_option, channel_option, with_json=False)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
def import_file(asking: Asking, file: Path) -> None:
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
    rows = _read(file)
    taken = asking.link.ask(lambda channel: _import(asking, FollowedProblemServiceStub(channel), rows))
    click.echo(translated("{count} bound, {new} of them new", count=taken.bound, new=taken.new))
    if taken.refused:
        told = [translated("line {line}: {problem}", line=line, problem=problem) for line, problem in taken.refused]
        more = [translated("Too many lines are refused: the rest of the file was not looked at.")]
        leave("\n".join([*told, *(more if len(taken.refused) >= _MOST_REFUSED else [])]), REFUSED)


@dataclass
class _Taken:
    """The results of a file's lines."""

    bound: int = 0
    new: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)


_Row = tuple[int, api.LineBinding]
"""The number of a line of a file, and its content."""


async def _import(asking: Asking, node: FollowedProblemServiceStub, rows: Sequence[_Row]) -> _Taken:
    taken, waiting = _Taken(), [rows[first : first + _AT_ONCE] for first in range(0, len(rows), _AT_ONCE)][::-1]
    while waiting and len(taken.refused) < _MOST_REFUSED:
        some = waiting.pop()
        request = asking.filled(api.BindLinesRequest(bindings=[binding for _, binding in some]))
        try:
            answer = await node.BindLines(request, timeout=_CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            if may_pass(error) or not _is_of_one(error):
                raise
            if len(some) == 1:
                taken.refused.append((some[0][0], told_by(error, asking.link.server)))
            else:  # a batch is bound as a whole: bisection finds the refused line
                waiting += [some[len(some) // 2 :], some[: len(some) // 2]]
            continue
        taken.bound += len(some)
        taken.new += answer.bound
    return taken


def _is_of_one(error: grpc.aio.AioRpcError) -> bool:
    """Whether a refusal concerns one line, and not the caller."""
    refused = from_rpc_error(error)
    if refused is None or refused.reason == Reason.REASON_PERMISSION_DENIED:
        return False
    return not refused.parameters.get("field", "").startswith("requester")


def _read(file: Path) -> Sequence[_Row]:
    """The non-empty lines of a file. Raises UsageError."""
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


def _complaints(ticket_ids: Sequence[str]) -> str:
    """Some of the ticket ids by name; --json names them all."""
    shown = enumerated(ticket_ids[:_SHOWN])
    more = len(ticket_ids) - _SHOWN
    return translated("{some} and {count} more", some=shown, count=more) if more > 0 else shown
