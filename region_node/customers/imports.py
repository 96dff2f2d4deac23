"""Imports of customers from files: no customer is stored in part, and none twice."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from gateway.api.region.v1 import customer_service_pb2 as api
from gateway.errors import Refused, invalid
from gateway.rpc.message_checks import require_plain
from gateway.store.port import Transaction
from region_node.customers.operations import take_over
from region_node.customers.taking_over import NewCustomer, Registered, new_customer, require_ours
from region_node.node.context import RegionContext
from region_node.requests.auditing import AuditedCall
from region_node.requests.importing.progress import Done, Rejection, Taken
from region_node.requests.importing.stream import Work, rejected_lines, require_alone, require_file, require_piece

Requests = AsyncIterator[api.ImportCustomersRequest]


@dataclass(frozen=True)
class Candidate:
    """A line of a file: the customer that it describes, or why it describes none."""

    number: int
    customer: NewCustomer | Refused


def importing(context: RegionContext) -> Work[Candidate]:
    """The processing of a customer file's lines."""

    def take(tx: Transaction, piece: Sequence[Candidate], asked: AuditedCall) -> Taken:
        new, rejections = _sorted_out(tx, piece, context)
        take_over(tx, new, context.currency, asked.now)
        return Taken(len(new), rejections)

    def check(tx: Transaction, piece: Sequence[Candidate]) -> Taken:
        # A line is compared with the stored customers and with the lines of its own piece.
        new, rejections = _sorted_out(tx, piece, context)
        return Taken(len(new), rejections)

    return Work("ImportCustomers", take, check)


async def opened_file(requests: Requests) -> api.ImportFile:
    """The file that the first message names. Raises Refused where it names none as the contract wants it."""
    first = await anext(requests, None) or api.ImportCustomersRequest()
    require_alone(holds_file=first.HasField("file"), lines=len(first.lines))
    require_file(first.file)
    return first.file


async def pieces(requests: Requests, context: RegionContext) -> AsyncIterator[Sequence[Candidate]]:
    """The lines of each message. Raises Refused for a message without lines, or with too many."""
    async for request in requests:
        require_piece(holds_file=request.HasField("file"), lines=len(request.lines))
        currency = context.currency
        yield [Candidate(line.number, _customer(line, currency)) for line in request.lines]


def answer(done: Done) -> api.ImportCustomersResponse:
    """The response to a piece."""
    progress = done.progress
    return api.ImportCustomersResponse(
        last_line=progress.last_line,
        created=progress.created,
        existing=progress.existing,
        rejected=rejected_lines(done.rejections),
        rejected_total=progress.rejected,
    )


def _customer(line: api.ImportLine, currency: str) -> NewCustomer | Refused:
    try:
        if not line.HasField("customer"):
            raise invalid("customer", "not set", "未填写")
        require_plain(line.customer)
        return new_customer(line.customer, currency)
    except Refused as refused:
        return refused


def _sorted_out(
    tx: Transaction, piece: Sequence[Candidate], context: RegionContext
) -> tuple[list[NewCustomer], list[Rejection]]:
    """The customers of a piece that are new, and the lines that cannot be taken.

    A customer who was taken over before is there, although plan or number are this region's no more.
    """
    federation, region = context.federation, context.region
    told = [each.customer for each in piece if isinstance(each.customer, NewCustomer)]
    registered = Registered(tx, told, lambda line: require_ours(line, federation, region))
    new: list[NewCustomer] = []
    rejections: list[Rejection] = []
    for each in piece:
        try:
            if isinstance(each.customer, Refused):
                raise each.customer
            if registered.admits(each.customer):
                new.append(each.customer)
        except Refused as refused:
            rejections.append(Rejection(each.number, refused.reason, refused.parameters))
    return new, rejections
