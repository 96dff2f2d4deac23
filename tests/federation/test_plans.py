"""The plans of every list: no question of a caller reads a table from end to end, on either engine."""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import TypeVar

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.api.region.v1.alarm_pb2 import NetworkObject
from gateway.api.types.v1 import access_pb2
from gateway.api.types.v1.access_pb2 import Role
from gateway.rpc.calls import current_call
from gateway.store.port import Operation, Transaction
from gateway.store.postgresql import PostgresqlStore
from gateway.store.postgresql_connection import PostgresqlTransaction
from gateway.store.reading_ahead import Announced
from gateway.store.sqlite import SqliteStore, SqliteTransaction
from gateway.store.tables import Parameters
from gateway.store.unit_of_work import Cursor, UnitTransaction
from gateway.time.clock import to_timestamp
from tests.federation.counter import REQUESTER, Counter
from tests.federation.running import CALL_SECONDS, Federation
from tests.federation.test_access import OF_NODES, SERVICES

T = TypeVar("T")
LISTS = re.compile("List|Find|Search")
CALLERS = {
    Role.ROLE_OPERATOR: "region/sichuan/operator/counter",
    Role.ROLE_STAFF: "region/sichuan/staff/reviewer-1",
    Role.ROLE_COORDINATOR: "coordinator/0",
    Role.ROLE_ADMIN: "admin/root",
}
HOW_TO_ASK = ("page_size", "page_token", "request_id", "requester")
NEEDED: Mapping[str, Sequence[str]] = {
    "ListDocuments": ("number",),
    "ListDisclosures": ("request_id", "number", "applicant", "documents"),
    "ListGrants": ("request_id", "number", "applicant", "documents"),
    "ListQuality": ("object", "period", "start_time", "end_time"),
    "SearchOrderSummaries": ("number", "administrator", "search_id"),
}
"""The fields without which an RPC answers nothing."""
WITHOUT_QUERY = {
    *("ListBusinesses", "SearchBusinesses", "ListServicePoints", "ListOfferings", "ListPlans", "ListPurposes"),
    *("ListComplaintCategories", "ListResolutionCauses", "FindPlaces"),
}
"""The lists that the configuration answers."""
BY_KEY = ("audit",)
"""Tables that a plan of SQLite scans by their key, and ends at the first row."""
_asked: ContextVar[str] = ContextVar("asked", default="")


@dataclass
class Plans:
    """The plans of all statements, by RPC and filter."""

    of: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    """Pairs of a statement and its plan."""

    def note(self, asked: str, sql: str, plan: Sequence[object]) -> None:
        self.of.setdefault(asked, set()).add((" ".join(sql.split()), "; ".join(map(str, plan))))


def explained(tx: UnitTransaction, run: Callable[..., Cursor], sql: str, parameters: Parameters) -> list[object]:
    """The steps of an engine's plan."""
    if isinstance(tx, SqliteTransaction):
        return [row[3] for row in run(tx, f"EXPLAIN QUERY PLAN {sql}", parameters).fetchall()]
    # On tables that are nearly empty any plan is good: without this one, the engine shows whether an index serves.
    run(tx, "SET LOCAL enable_seqscan = off", {})
    return [row[0] for row in run(tx, f"EXPLAIN {sql}", parameters).fetchall()]


@contextmanager
def recorded(patch: pytest.MonkeyPatch) -> Iterator[Plans]:
    """The plans of what callers ask for, wherever the store runs it."""
    plans = Plans()

    def asking(operation: Operation[T]) -> Operation[T]:
        try:
            asked = current_call().method
        except LookupError:
            return operation
        if isinstance(operation, Announced):
            return replace(operation, operation=asking(operation.operation))

        def ran(tx: Transaction) -> T:
            token = _asked.set(asked)
            try:
                return operation(tx)
            finally:
                _asked.reset(token)

        return ran

    for store in (SqliteStore, PostgresqlStore):
        for name, of in (("read", store.read), ("write", store.write)):
            patch.setattr(store, name, lambda self, operation, of=of: of(self, asking(operation)))
    for kind in (SqliteTransaction, PostgresqlTransaction):

        def run(tx: UnitTransaction, sql: str, parameters: Parameters, of: Callable[..., Cursor] = kind._run) -> Cursor:
            asked = _asked.get()
            if asked and sql.lstrip().startswith(("SELECT", "WITH")):
                plans.note(asked, sql, explained(tx, of, sql, parameters))
            return of(tx, sql, parameters)

        patch.setattr(kind, "_run", run)
    yield plans


def lists() -> list[MethodDescriptor]:
    """The RPCs of a node that answer with a list, but the one of a table with a row for each loss of the database."""
    methods = (method for name in sorted(OF_NODES) for method in SERVICES[name].methods)
    found = [each for each in methods if LISTS.match(each.name) and not each.server_streaming]
    return [each for each in found if each.name != "ListLosses"]


def filled(request: Message, each: FieldDescriptor, values: Mapping[str, object]) -> None:
    """Sets a field to its value by name or type, else to one that its type allows."""
    if each.message_type is not None:
        value = values.get(each.name, values.get(each.message_type.full_name, GetMessageClass(each.message_type)()))
        whole = getattr(request, each.name)
        (whole.add() if each.is_repeated else whole).CopyFrom(value)
        return
    value = values.get(each.name, "x" if each.cpp_type == FieldDescriptor.CPPTYPE_STRING else 1)
    if each.is_repeated:
        getattr(request, each.name).append(value)
    else:
        setattr(request, each.name, value)


def requests(method: MethodDescriptor, values: Mapping[str, object]) -> Iterator[Message]:
    """A request with the fields that its RPC needs, and one with each other field; pages of one record."""
    fields = method.input_type.fields_by_name
    needed = [name for name in ("requester", "page_size", *NEEDED.get(method.name, ())) if name in fields]
    for name in (None, *(each for each in fields if each not in (*HOW_TO_ASK, *needed))):
        request = GetMessageClass(method.input_type)()
        for each in (*needed, *([name] if name else ())):
            filled(request, fields[each], values)
        yield request


async def ask(channel: grpc.aio.Channel, method: MethodDescriptor, request: Message) -> None:
    """Asks for two pages; a filter that names nothing may be refused."""
    rpc: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path_of(method))
    with contextlib.suppress(grpc.aio.AioRpcError):
        for _ in range(2):
            told = await rpc(request.SerializeToString(), timeout=CALL_SECONDS)
            answer = GetMessageClass(method.output_type).FromString(told)
            following = getattr(answer, "next_page_token", "")
            if not following:
                break
            filled(request, method.input_type.fields_by_name["page_token"], {"page_token": following})


def path_of(method: MethodDescriptor) -> str:
    """The method as gRPC names it."""
    return f"/{method.containing_service.full_name}/{method.name}"


def reads_all(plan: str) -> bool:
    """Whether a plan reads a table from end to end."""
    scanned = re.findall(r"SCAN (\w+)(?! USING)(?:;|$)", plan)
    parts = re.findall(r"CO-ROUTINE (\w+)", plan)  # of the statement itself: their own scans stand in the plan as well
    return "Seq Scan" in plan or any(each not in (*BY_KEY, *parts) for each in scanned)


@pytest.mark.slow
async def test_no_list_reads_a_table_from_end_to_end_whatever_its_filter(
    federation: Federation, guangdong: Counter, sichuan: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, now = await sichuan.new_customer(), to_timestamp(federation.clock.now())
    for business in ("SUSPEND", "RESUME"):
        await sichuan.order(business, number)
    values: dict[str, object] = {
        "requester": REQUESTER,
        "page_size": 1,
        "number": number,
        "contact_number": number,
        "region": "guangdong",
        "regions": "guangdong",
        "month": "2026-01",
        "business": "SUSPEND",
        "administrator": "admin/root",
        "request_id": "list-1",
        "search_id": "search-1",
        "documents": sichuan.document("ID_ORIG"),
        "object": NetworkObject(link="chengdu-guangzhou-1"),
        "google.protobuf.Timestamp": now,
        "google.protobuf.Duration": Duration(seconds=3600),
    }
    with recorded(monkeypatch) as plans:
        for method in lists():
            allowed = method.GetOptions().Extensions[access_pb2.allow]
            role = next(each for each in CALLERS if each in allowed)
            channel = federation.dial_node("sichuan", CALLERS[role])
            for request in requests(method, values):
                await ask(channel, method, request)
    asked = {each.rpartition("/")[2] for each in plans.of}
    assert {each.name for each in lists()} - asked == WITHOUT_QUERY
    assert not [f"{name}: {sql}: {plan}" for name, found in plans.of.items() for sql, plan in found if reads_all(plan)]
