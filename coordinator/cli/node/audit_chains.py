"""The output of `coordinator audit verify` about the chains of regions and coordinators."""

import json
from collections.abc import Iterable
from dataclasses import replace

import click
import grpc
from google.protobuf.json_format import MessageToDict

from coordinator.cli.connection import Connection
from coordinator.cli.output import titled
from gateway.api.coordinator.v1.administration_pb2 import ChainVerdict, Sighting, VerifyChainsRequest
from gateway.api.coordinator.v1.administration_pb2_grpc import AuditOversightServiceStub
from gateway.api.region.v1.audit_service_pb2 import ChainProblem, ChainProblemKind
from gateway.auditing.audit import problem_text
from gateway.cli.exits import CannotReach, NotDone
from gateway.cli.table import Table, TableColumn
from gateway.errors import Refused, Unreachable, from_rpc_error
from gateway.settings import is_address
from gateway.time.clock import from_timestamp, to_microseconds
from gateway.wording.languages import enumerated, refusal, translated
from gateway.wording.times import show_times_of, told_if_set

_PATIENCE = 3600.0  # seconds: a chain of many millions of rows is read beside all other work of its region
_HASH_SHOWN = 16  # digits of a hash in a table


def verify_federation(connection: Connection, region: str, *, as_json: bool) -> None:
    """Requests a verdict on every chain, and prints all. Raises NotDone for a broken chain, or CannotReach."""
    show_times_of(region)
    verdicts, unasked = _all_verdicts(connection, region)
    if as_json:
        told = [
            MessageToDict(each, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
            for each in verdicts
        ]
        click.echo(json.dumps({"chains": told}, ensure_ascii=False))
    else:
        _CHAINS.show(verdicts, titled(translated("Audit chains")))
    broken = [f"{_name(each)}: {problem}" for each in verdicts for problem in told_problems(each.problems)]
    unasked += [
        f"{_name(each)}: {refusal(Refused(each.reason, region=each.region))}" for each in verdicts if each.reason
    ]
    if broken:
        raise NotDone([*broken, *unasked])
    if unasked:
        raise CannotReach("\n".join(unasked))


def _all_verdicts(connection: Connection, region: str) -> tuple[list[ChainVerdict], list[str]]:
    """The verdicts of a coordinator on all chains, and of every other one on its own; and who could not be asked."""
    request = VerifyChainsRequest(region=region)
    answer = connection.ask(lambda channel: _verdicts(channel, request), passes_busy=True)
    found = {_name(each): each for each in answer}
    silent: list[str] = []
    own = VerifyChainsRequest(is_coordinator_only=True)
    others = connection.endpoints if len(connection.endpoints) > 1 and not region else ()
    for endpoint in others:
        try:
            for each in replace(connection, endpoints=(endpoint,)).ask(
                lambda channel: _verdicts(channel, own), passes_busy=True
            ):
                found.setdefault(_name(each), each)
        except (CannotReach, NotDone) as failure:
            silent.append(str(failure))
    return [found[name] for name in sorted(found, key=lambda name: (bool(found[name].chain), name))], silent


def _name(verdict: ChainVerdict) -> str:
    return verdict.region or verdict.chain


def told_problems(problems: Iterable[ChainProblem]) -> list[str]:
    """Descriptions of problems for people: the kind, the row, its time, and the witnesses that differ.

    Several witnesses of one problem share a line.
    """
    witnesses: dict[tuple[ChainProblemKind.ValueType, int, int | None], list[str]] = {}
    for each in problems:
        time = to_microseconds(from_timestamp(each.row_time)) if each.HasField("row_time") else None
        witnesses.setdefault((each.kind, each.sequence, time), []).append(each.witness)
    return [problem_text(*problem, enumerated(sorted(seen_by))) for problem, seen_by in witnesses.items()]


async def _verdicts(channel: grpc.aio.Channel, request: VerifyChainsRequest) -> list[ChainVerdict]:
    try:
        stream = AuditOversightServiceStub(channel).VerifyChains(request, timeout=_PATIENCE)
        return [response.verdict async for response in stream]
    except grpc.aio.AioRpcError as error:
        refused = from_rpc_error(error)
        if refused is None:
            raise Unreachable(error.details() or error.code().name) from error
        raise refused from error


def _known(verdict: ChainVerdict, told: str) -> str:
    return told if verdict.HasField("head") else ""


def _seen(verdict: ChainVerdict, sighting: Sighting) -> str:
    """A sighting for people. Its witness may have invented the address, which is shown only in the form of one."""
    told = translated(
        "{witness}: row {row}, {time}",
        witness=sighting.witness,
        row=sighting.head.sequence,
        time=told_if_set(sighting.time),
    )
    if not verdict.chain:
        return told  # the region has signed it: no other head of a region counts
    signed = translated("unsigned")
    if sighting.signer:
        signed = translated("signed by {signer}", signer=sighting.signer)
    shown = [sighting.endpoint, signed] if is_address(sighting.endpoint) else [signed]
    return f"{told} ({enumerated(shown)})"


def _witnesses(verdict: ChainVerdict) -> str:
    return "\n".join([*(_seen(verdict, each) for each in verdict.sightings), *_silent(verdict)])


def _silent(verdict: ChainVerdict) -> list[str]:
    """The witnesses without a sighting: they never received a head, or do not respond."""
    said = {sighting.witness for sighting in verdict.sightings}
    silent = [f"region/{each}" for each in verdict.witnesses if f"region/{each}" not in said]
    return [translated("{witness}: nothing", witness=each) for each in silent]


def _verdict(verdict: ChainVerdict) -> str:
    if verdict.problems:
        return translated("broken")  # the lines below the table give details
    if verdict.reason:
        return translated("not verified")
    return translated("whole")


_CHAINS = Table[ChainVerdict](
    TableColumn("chain", _name),
    TableColumn("rows", lambda each: _known(each, str(each.head.sequence))),
    TableColumn("head", lambda each: _known(each, each.head.hash.hex()[:_HASH_SHOWN])),
    TableColumn("witnesses", _witnesses),
    TableColumn("verdict", _verdict),
)
