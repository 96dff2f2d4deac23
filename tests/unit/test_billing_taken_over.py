"""The months of a migrated line that are billed here."""

from region_node.customers.operations import take_over
from region_node.customers.rows import CustomerRow
from region_node.customers.taking_over import NewCustomer
from tests.unit.billing_scene import books
from tests.unit.test_billing_runs import BEGAN, RENT, at, line_of


def test_a_month_that_had_ended_when_a_line_was_taken_over_is_the_former_systems_to_bill() -> None:
    with books(BEGAN) as found:
        moments = {1: at(6, 30, 23), 2: at(7, 1, 0)}  # the last hour of the month, and the first of the next
        for index, now in moments.items():
            line = line_of(index)
            customer = CustomerRow(line.customer_id, "王芳", "")
            take_over(found.tx, [NewCustomer(customer, line, 0, ())], "CNY", now)
        found.run(at(7, 2))
        billed = found.rows("SELECT account_id, month, total FROM bills ORDER BY account_id")
        assert billed == [("a1", "2030-06", RENT)]
        assert found.balance("a2") == 0
        found.run(at(8, 2))
        billed = found.rows("SELECT account_id, month, total FROM bills WHERE account_id = 'a2'")
        assert billed == [("a2", "2030-07", RENT)]
