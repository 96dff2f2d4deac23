"""The bills of a customer on a page: a chart of the months, the months as a table, and the lines of one."""

from collections.abc import Callable, Collection, Sequence

from gateway.api.region.v1.billing_service_pb2 import Bill
from gateway.api.types.v1.types_pb2 import Money
from gateway.values.money import in_major_units
from gateway.web.charts import Bar, Caption, Figure, bars
from gateway.web.tables import Cell, Table
from gateway.wording.languages import clauses, in_language, translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_if_set, told_time
from region_node.console.sections import Content


def bills_by_month(bills: Sequence[Bill], address: Callable[[str], str]) -> Content:
    """The totals of the billed months as a chart, and all months, the newest first.

    `address` leads to the lines of a month.
    """
    table = Table(
        label=translated("Bills"),
        head=[
            Cell(translated("Month"), "col"),
            Cell(translated("Total"), "col"),
            Cell(translated("Balance at its end"), "col"),
            Cell(translated("Payment due"), "col"),
        ],
        rows=[
            [
                Cell(each.month, "row", href=address(each.month), note=_elsewhere(each)),
                Cell(
                    _told(each.total) if each.HasField("total") else translated("not billed"),
                    style="figure",
                    note=translated("far above the months before") if each.abnormal else "",
                ),
                Cell(_told(each.closing_balance), style="figure"),
                Cell(told_if_set(each.payment_due_time), style="time"),
            ]
            for each in bills
        ],
        caption=translated("The newest first."),
    )
    return Content(figure=_figure([each for each in reversed(bills) if each.HasField("total")]), table=table)


def bill_lines(bill: Bill, heading: str, gone: Collection[str], address: Callable[[str], str]) -> Table:
    """The lines of a bill, the oldest first.

    `address` leads to the complaint of money, unless that is `gone` from this region, or was never in it.
    """
    return Table(
        label=heading,
        head=[
            Cell(translated("Date and time"), "col"),
            Cell(translated("Text"), "col"),
            Cell(translated("Amount"), "col"),
        ],
        rows=[
            [
                Cell(told_time(each.time), "row"),
                Cell(
                    in_language(each.description),
                    href=address(each.ticket_id) if each.ticket_id and each.ticket_id not in gone else "",
                    note=_complaint(each.ticket_id, gone),
                ),
                Cell(_told(each.amount), style="figure"),
            ]
            for each in bill.lines
        ],
        caption=translated("The oldest first."),
    )


def _figure(billed: Sequence[Bill]) -> Figure | None:
    """A bar for each billed month, the oldest first; None without any."""
    if not billed:
        return None
    title = translated("Total of each month")
    told = clauses(f"{each.month}: {_told(each.total)}" for each in billed)
    groups = [(each.month, [Bar(each.total.minor_units, _told(each.total))]) for each in billed]
    most = max(each.total.minor_units for each in billed)
    return Figure(bars(Caption("bills", title, told), groups, most), title)


def _elsewhere(bill: Bill) -> str:
    """The former home that has a part of the month."""
    return translated("{region} has a part", region=region_name(bill.former_region)) if bill.former_region else ""


def _complaint(ticket_id: str, gone: Collection[str]) -> str:
    """The complaint of a line; empty for a line of none."""
    if not ticket_id:
        return ""
    if ticket_id in gone:
        return translated("Complaint {complaint}, which this region does not have, or no longer", complaint=ticket_id)
    return translated("Complaint {complaint}", complaint=ticket_id)


def _told(amount: Money) -> str:
    return in_major_units(amount.minor_units, amount.currency)
