"""A number that moves away and comes back while versions of its fault are on their way to both homes."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from gateway.api.region.v1.fault_pb2 import FaultPlace, FaultReport
from gateway.api.relay.v1.relay_pb2 import EnvelopeContent, EnvelopeKind, Outcome, Receipt, ReceiptContent
from gateway.relay import outbox
from region_node.customers.operations import keep_customer, keep_line
from region_node.customers.rows import CustomerRow
from region_node.network.faults import handling, owner
from region_node.network.faults.rows import FaultRow, require_fault
from region_node.network.faults.sending import send_update
from region_node.requests.caller import OwnNode
from tests.unit.reconciling import HOME, NIGHT, ORIGIN, THIRD, Two, two_regions
from tests.unit.situations import LINE
from tests.unit.test_moved_faults import TRACE

BEFORE, SINCE = ORIGIN, THIRD
"""The home of the number before it moved away, and since."""
UPDATE = EnvelopeKind.ENVELOPE_KIND_FAULT_UPDATE


class Owner:
    """The region of a fault that takes `SINCE` for the home, and has a version on its way to `BEFORE`."""

    def __init__(self, two: Two) -> None:
        self._two, self._region = two, two.home
        self._tx, self._context = two.home.tx, two.home.context.node
        keep_customer(self._tx, CustomerRow(LINE.customer_id, "王芳", ""))
        keep_line(self._tx, LINE, NIGHT - timedelta(days=40))
        report = FaultReport(number=LINE.number, description="no signal", place=FaultPlace(site="chengdu"))
        self._id = handling.report(self._tx, self._context, OwnNode(HOME, "f1", TRACE), report, NIGHT).id
        send_update(self._tx, self._context, self.row, BEFORE, NIGHT)
        (self.on_its_way,) = self.waiting()
        owner.take_home(self._tx, self._context, self.row, SINCE, NIGHT)
        (self.told,) = self.waiting()

    @property
    def row(self) -> FaultRow:
        return require_fault(self._tx, self._id)

    @property
    def home(self) -> str:
        return self.row.fault.home_region

    def waiting(self) -> list[EnvelopeContent]:
        return [each for each in self._region.waiting() if each.kind == UPDATE]

    def accepted(self, content: EnvelopeContent) -> None:
        """The destination has stored a version."""
        told = ReceiptContent(envelope_id=content.id, outcome=Outcome.OUTCOME_ACCEPTED)
        receipt = Receipt(content=told.SerializeToString())
        outbox.close_answered(self._tx, content.id, receipt, journey=b"", attempts=1, now=NIGHT)
        self._two.handler(self._region, UPDATE).answered(self._tx, content, told, NIGHT)


@pytest.fixture(name="region")
def _region() -> Iterator[Owner]:
    with two_regions(with_third=True) as two:
        yield Owner(two)


def test_the_home_of_before_is_the_home_again_where_the_one_since_has_taken_no_version(region: Owner) -> None:
    region.accepted(region.on_its_way)
    assert region.home == BEFORE


def test_of_two_homes_that_have_both_taken_a_version_none_takes_the_place_of_the_other(region: Owner) -> None:
    region.accepted(region.told)
    region.accepted(region.on_its_way)
    assert region.home == SINCE
    assert not region.waiting()
