"""Files of customers that a region takes over through a stream: in pieces, each once, and no customer half."""

import hashlib
from collections.abc import Sequence

import grpc

from gateway.api.federation.v1.configuration_pb2 import LineKind
from gateway.api.region.v1.customer_service_pb2 import (
    CardKind,
    Customer,
    ImportCustomersRequest,
    ImportCustomersResponse,
    ImportFile,
    ImportLine,
    RatingType,
)
from gateway.api.types.v1.reason_pb2 import Reason
from tests.federation.counter import REQUESTER, Counter
from tests.federation.refusals import refusal
from tests.federation.running import CALL_SECONDS, Federation

PIECE = 2


def new_hash(federation: Federation) -> bytes:
    """The hash of a file that nobody imported before."""
    return hashlib.sha256(federation.next_id().encode()).digest()


def some_lines(counter: Counter, count: int, first: int = 2) -> list[ImportLine]:
    """Lines with new customers."""
    return [ImportLine(number=first + index, customer=_customer(counter)) for index in range(count)]


def _customer(counter: Counter) -> Customer:
    return counter.customer(counter.federation.next_number(counter.region), emergency_calls_allowed=True)


def pieces(lines: Sequence[ImportLine], size: int = PIECE) -> list[ImportCustomersRequest]:
    """The lines as messages."""
    return [ImportCustomersRequest(lines=lines[start : start + size]) for start in range(0, len(lines), size)]


class Import:
    """An import stream."""

    def __init__(self, counter: Counter, sha256: bytes, *, validate_only: bool = False) -> None:
        self._call = counter.customers.ImportCustomers(timeout=CALL_SECONDS)
        file = ImportFile(sha256=sha256, lines=100, requester=REQUESTER, validate_only=validate_only)
        self._first = ImportCustomersRequest(file=file)

    async def begin(self) -> ImportCustomersResponse:
        """How far the node is."""
        await self._call.write(self._first)
        return await self.read()

    async def ask(self, request: ImportCustomersRequest) -> ImportCustomersResponse:
        """Sends a piece and returns its answer."""
        await self._call.write(request)
        return await self.read()

    async def send(self, requests: Sequence[ImportCustomersRequest]) -> None:
        """Pieces, without waiting for answers."""
        for request in requests:
            await self._call.write(request)

    async def read(self) -> ImportCustomersResponse:
        """The next answer."""
        answer = await self._call.read()
        if isinstance(answer, ImportCustomersResponse):
            return answer
        raise grpc.aio.AioRpcError(
            await self._call.code(),
            await self._call.initial_metadata(),
            await self._call.trailing_metadata(),
            await self._call.details(),
        )

    async def end(self) -> None:
        """Says that this is all, and waits until the node has ended, too."""
        await self._call.done_writing()
        assert await self._call.read() is grpc.aio.EOF
        assert await self._call.code() == grpc.StatusCode.OK

    def drop(self) -> None:
        """Goes away without a word."""
        self._call.cancel()


def stored(federation: Federation) -> list[object]:
    """How many customers, lines and entries Sichuan has."""
    tables = ("customers", "products", "ledger_entries")
    return [federation.database("sichuan").rows(f"SELECT COUNT(*) FROM {table}")[0][0] for table in tables]


async def test_pieces_are_answered_in_order_once_they_are_durable_and_each_leaves_an_audit_row(
    federation: Federation, sichuan: Counter
) -> None:
    sha256, lines = new_hash(federation), some_lines(sichuan, 7)
    stream = Import(sichuan, sha256)
    assert await stream.begin() == ImportCustomersResponse()
    await stream.send(pieces(lines))
    answers = [await stream.read() for _ in pieces(lines)]
    await stream.end()
    assert [(each.last_line, each.created) for each in answers] == [(3, 2), (5, 4), (7, 6), (8, 7)]
    for line in lines:
        assert (await sichuan.read(line.customer.product.number)) == line.customer
    audited = federation.database("sichuan").rows(
        "SELECT subject FROM audit WHERE action = 'ImportCustomers' AND subject LIKE ? ORDER BY sequence",
        f"{sha256.hex()[:16]}%",
    )
    spans = ["2 to 3", "4 to 5", "6 to 7", "8 to 8"]
    assert audited == [(f"{sha256.hex()[:16]} lines {span}",) for span in spans]


async def test_an_import_that_broke_goes_on_after_the_last_line_that_is_done(
    federation: Federation, sichuan: Counter
) -> None:
    sha256, lines = new_hash(federation), some_lines(sichuan, 6)
    broken = Import(sichuan, sha256)
    await broken.begin()
    await broken.ask(pieces(lines)[0])
    broken.drop()
    again = Import(sichuan, sha256)
    begun = await again.begin()
    assert (begun.last_line, begun.created) == (3, 2)
    await again.send(pieces(lines)[1:])
    assert [(await again.read()).created for _ in range(2)] == [4, 6]
    await again.end()


async def test_a_piece_whose_answer_was_lost_is_recognised(federation: Federation, sichuan: Counter) -> None:
    sha256, lines = new_hash(federation), some_lines(sichuan, 3)
    lines[1].customer.product.plan_id = "no-such-plan"
    stream = Import(sichuan, sha256)
    await stream.begin()
    (piece,) = pieces(lines, 3)
    first, before = await stream.ask(piece), stored(federation)
    assert [each.number for each in first.rejected] == [3]
    assert await stream.ask(piece) == first
    assert stored(federation) == before
    await stream.end()


async def test_a_piece_that_does_not_continue_the_file_is_refused_and_those_before_it_stand(
    federation: Federation, sichuan: Counter
) -> None:
    sha256 = new_hash(federation)
    stream = Import(sichuan, sha256)
    await stream.begin()
    await stream.send([*pieces(some_lines(sichuan, 2)), *pieces(some_lines(sichuan, 2, first=5))])
    assert (await stream.read()).last_line == 3
    assert (await refusal(stream.read())).reason == "IMPORT_OUT_OF_ORDER"
    gap = some_lines(sichuan, 3, first=4)
    gap[2].number = 7
    stream = Import(sichuan, sha256)
    assert (await stream.begin()).last_line == 3
    assert (await refusal(stream.ask(ImportCustomersRequest(lines=gap)))).reason == "IMPORT_OUT_OF_ORDER"
    assert (await Import(sichuan, sha256).begin()).last_line == 3


async def test_lines_that_cannot_be_taken_are_told_with_number_and_reason_and_leave_nothing(
    federation: Federation, sichuan: Counter
) -> None:
    known = _customer(sichuan)
    await sichuan.create(known)
    lines = some_lines(sichuan, 12)
    lines[0].customer.ClearField("name")
    lines[1].customer.product.number = federation.next_number("guangdong")
    lines[2].customer.product.number = federation.next_number("")
    lines[3].customer.product.number = known.product.number
    lines[4].customer.id = known.id
    lines[5].customer.product.id = known.product.id
    lines[6].customer.billing_account.id = known.billing_account.id
    lines[7].customer.product.plan_id = "guangdong-39"
    lines[8].ClearField("customer")
    lines[9].customer.CopyFrom(known)
    lines[11].customer.name = "张\x1b[2J三"
    before = stored(federation)
    stream = Import(sichuan, new_hash(federation))
    await stream.begin()
    answer = await stream.ask(ImportCustomersRequest(lines=lines))
    await stream.end()
    assert [(each.number, Reason.Name(each.reason).removeprefix("REASON_")) for each in answer.rejected] == [
        (2, "REQUEST_INVALID"),
        (3, "NOT_HOME"),
        (4, "NUMBER_UNRESOLVED"),
        (5, "CUSTOMER_EXISTS"),
        (6, "CUSTOMER_EXISTS"),
        (7, "CUSTOMER_EXISTS"),
        (8, "CUSTOMER_EXISTS"),
        (9, "PLAN_UNKNOWN"),
        (10, "REQUEST_INVALID"),
        (13, "CHARACTER_NOT_ALLOWED"),
    ]
    assert all(each.message.en and each.message.zh_cn for each in answer.rejected)
    assert answer.rejected[-1].message.en == "The field name holds the character U+001B, which may not stand in it."
    assert (answer.created, answer.existing, answer.rejected_total, answer.last_line) == (1, 1, 10, 13)
    assert stored(federation) == [int(str(count)) + more for count, more in zip(before, (1, 1, 2), strict=True)]


async def test_of_two_lines_of_a_piece_about_one_customer_the_second_is_there_already_or_rejected(
    federation: Federation, sichuan: Counter
) -> None:
    lines = some_lines(sichuan, 3)
    lines[1].customer.CopyFrom(lines[0].customer)
    lines[2].customer.id = lines[0].customer.id
    stream = Import(sichuan, new_hash(federation))
    await stream.begin()
    answer = await stream.ask(ImportCustomersRequest(lines=lines))
    assert (answer.created, answer.existing, [each.number for each in answer.rejected]) == (1, 1, [4])
    await stream.end()


async def test_whoever_begins_again_is_told_of_every_line_that_was_rejected_before(
    federation: Federation, sichuan: Counter
) -> None:
    sha256, count = new_hash(federation), 1100
    stream = Import(sichuan, sha256)
    await stream.begin()
    await stream.send(pieces([ImportLine(number=2 + index) for index in range(count)], 500))
    for _ in range(3):
        await stream.read()
    await stream.end()
    again, told = Import(sichuan, sha256), list[int]()
    answer = await again.begin()
    while True:
        told += [each.number for each in answer.rejected]
        assert (answer.last_line, answer.rejected_total) == (count + 1, count)
        if len(told) == count:
            break
        answer = await again.read()
    await again.end()
    assert told == list(range(2, count + 2))


async def test_a_file_that_is_only_checked_changes_nothing_and_is_not_remembered(
    federation: Federation, sichuan: Counter
) -> None:
    sha256, lines = new_hash(federation), some_lines(sichuan, 5)
    lines[4].customer.product.plan_id = "no-such-plan"
    before = stored(federation)
    stream = Import(sichuan, sha256, validate_only=True)
    await stream.begin()
    await stream.send(pieces(lines))
    answers = [await stream.read() for _ in range(3)]
    assert [(each.created, each.rejected_total) for each in answers] == [(2, 0), (4, 0), (4, 1)]
    assert stored(federation) == before
    assert (await refusal(stream.ask(pieces(lines)[0]))).reason == "IMPORT_OUT_OF_ORDER"
    assert (await Import(sichuan, sha256).begin()).last_line == 0


async def test_a_stream_that_does_not_begin_with_a_file_or_holds_no_lines_is_refused(
    federation: Federation, sichuan: Counter
) -> None:
    assert (await refusal(Import(sichuan, b"short").begin())).parameters["field"] == "file.sha256"
    stream = Import(sichuan, new_hash(federation))
    await stream.begin()
    assert (await refusal(stream.ask(ImportCustomersRequest()))).parameters["field"] == "lines"
    stream = Import(sichuan, new_hash(federation))
    await stream.begin()
    many = ImportCustomersRequest(lines=some_lines(sichuan, 501))
    assert (await refusal(stream.ask(many))).parameters["field"] == "lines"
    stream = Import(sichuan, new_hash(federation))
    await stream.begin()
    assert (await refusal(stream.begin())).parameters["field"] == "lines"


async def test_all_that_the_contract_says_of_a_line_is_taken_over(federation: Federation, sichuan: Counter) -> None:
    lines = some_lines(sichuan, 1)
    product = lines[0].customer.product
    product.kind, product.address = LineKind.LINE_KIND_BROADBAND, "成都市人民南路1号"
    product.subscriptions.add(id=f"{product.id}/1", offering_id="sichuan-ring-tones", start_time=product.start_time)
    product.rating_type, product.card_kind = RatingType.RATING_TYPE_PREPAID, CardKind.CARD_KIND_SPECIAL
    stream = Import(sichuan, new_hash(federation))
    await stream.begin()
    assert (await stream.ask(pieces(lines)[0])).created == 1
    await stream.end()
    assert (await sichuan.read(product.number)) == lines[0].customer
