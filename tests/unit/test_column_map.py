"""Maps: how the cells of a line become a customer, exactly, and the same each time."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import LineKind, Plan
from gateway.api.region.v1.customer_service_pb2 import Customer, ProductStatus
from gateway.api.types.v1.types_pb2 import Money
from gateway.time.clock import from_timestamp
from region_node.cli.imports.column_map import ColumnMap, Customers, LineInvalid, MapUnusable, Surroundings
from region_node.cli.imports.number_ranges import NumberRange, parse_range
from region_node.node.terms import add_months, term_end

ANY, BROADBAND = LineKind.LINE_KIND_UNSPECIFIED, LineKind.LINE_KIND_BROADBAND
DAYS = st.dates(date(1990, 1, 1), date(2090, 12, 31))
PLANS = tuple(
    Plan(id=name, monthly_rent=Money(minor_units=rent, currency="CNY"), line_kind=kind)
    for name, rent, kind in (("p29", 2900, ANY), ("p59", 5900, ANY), ("p99", 9900, ANY), ("fibre", 6000, BROADBAND))
)


def value_map(**changes: object) -> dict[str, object]:
    """A good map; `changes` replace fields by their path with `__` for a dot, an empty dict removes one."""
    fields: dict[str, object] = {
        "id": {"template": "c-{Id}"},
        "name": {"column": "Id"},
        "product.id": {"template": "l-{Id}"},
        "product.number": {"range": "line"},
        "product.status": "active",
        "product.plan_id": "p29",
        "billing_account.id": {"template": "a-{Id}"},
        **{name.replace("__", "."): value for name, value in changes.items()},
    }
    customer: dict[str, object] = {"product": {}, "billing_account": {}}
    for name, value in fields.items():
        place, _, field = name.rpartition(".")
        inner = customer[place] if place else customer
        assert isinstance(inner, dict)
        if value != {}:
            inner[field] = value
    return {"currency": "CNY", "as_of": "2026-11-01", "customer": customer}


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("maps")


def opened(directory: Path, content: Mapping[str, object], header: str = "Id,A,B", last: str = "09") -> Customers:
    """A map at work on a file with these columns, and numbers up to +86198510000<last>."""
    path = directory / "map.yaml"
    path.write_text(yaml.safe_dump(dict(content), allow_unicode=True), "utf-8")
    ranges = {"line": NumberRange("+8619851000000", f"+86198510000{last}")}
    return ColumnMap(path).customers(header.split(","), Surroundings(ranges, PLANS))


def one(directory: Path, cells: str, **changes: object) -> Customer:
    """The customer of one line."""
    return opened(directory, value_map(**changes)).customer(cells.split(","))


def problem(directory: Path, cells: str, **changes: object) -> str:
    """Why a line describes none; there is a text in both languages."""
    with pytest.raises(LineInvalid) as raised:
        one(directory, cells, **changes)
    assert raised.value.problem.zh_cn
    return f"{raised.value.problem.field}: {raised.value.problem.en}"


def test_constants_columns_templates_and_tables_fill_a_customer(directory: Path) -> None:
    kind = {"column": "A", "table": {"Yes": "mobile", "No": {"column": "B"}}, "otherwise": "mobile"}
    taken = one(directory, " 7 ,No,broadband", product__kind=kind, email={"template": "{Id}-{A}@example.com"})
    assert (taken.id, taken.name, taken.email) == ("c-7", "7", "7-No@example.com")
    assert (taken.product.id, taken.product.kind) == ("l-7", BROADBAND)
    assert taken.product.status == ProductStatus.PRODUCT_STATUS_ACTIVE
    assert taken.product.number == "+8619851000000"
    assert one(directory, "7,?,", product__kind=kind).product.kind == LineKind.LINE_KIND_MOBILE


def test_a_cell_that_no_table_knows_rejects_its_line_and_an_empty_one_may_be_told_apart(directory: Path) -> None:
    told = {"column": "A", "table": {"x": "family-1"}, "empty": "family-0"}
    assert problem(directory, "7,y,", product__binding=told) == "product.binding: not in the table: y"
    assert one(directory, "7,,", product__binding=told).product.binding == "family-0"
    assert one(directory, "7,x,", product__binding=told).product.binding == "family-1"


@given(minor=st.integers(-(10**12), 10**12), digits=st.integers(0, 2))
def test_an_amount_is_the_same_to_the_last_digit(directory: Path, minor: int, digits: int) -> None:
    minor -= minor % 10 ** (2 - digits)
    sign, (whole, rest) = "-" if minor < 0 else "", divmod(abs(minor), 100)
    text = f"{sign}{whole}" + (f".{rest:02d}"[: digits + 1] if digits else "")
    taken = one(directory, f"7,{text},", billing_account__balance={"column": "A"})
    assert taken.billing_account.balance == Money(minor_units=minor, currency="CNY")


@pytest.mark.parametrize(
    "text", ["1.234", "1e-3", "1e400", "92233720368547758.08", "1_000", "٣", "NaN", "Infinity", "12 yuan", "--1"]
)
def test_what_is_no_amount_or_finer_than_minor_units_rejects_its_line(directory: Path, text: str) -> None:
    said = problem(directory, f"7,{text},", billing_account__balance={"column": "A"})
    assert said == f"billing_account.balance: not an amount: {text}"


def test_a_template_with_an_empty_cell_rejects_its_line(directory: Path) -> None:
    said = problem(directory, "7,,", email={"template": "{Id}-{A}@example.com"})
    assert said == "email: a column of the template is empty"


@pytest.mark.parametrize("text", ["-300", "1_0", "٣", "1.5", "99999"])
def test_what_is_no_number_of_months_rejects_its_line(directory: Path, text: str) -> None:
    start = {"column": "A", "as": "months_before"}
    said = problem(directory, f"7,{text},", product__start_time=start)
    assert said == f"product.start_time: not a number of months: {text}"


def test_an_empty_amount_is_nothing(directory: Path) -> None:
    assert one(directory, "7,,", billing_account__balance={"column": "A"}).billing_account.balance.minor_units == 0


def test_the_plan_is_that_with_the_nearest_rent_for_the_kind_of_line(directory: Path) -> None:
    def plan(amount: str, kind: str) -> str:
        told = {"column": "A", "as": "nearest_rent"}
        return one(directory, f"7,{amount},", product__plan_id=told, product__kind=kind).product.plan_id

    assert [plan(amount, "mobile") for amount in ("0", "44.00", "44.01", "61", "1000")] == [
        "p29",
        "p29",
        "p59",
        "p59",
        "p99",
    ]
    assert plan("29", "broadband") == "fibre"


def test_dates_are_days_in_the_time_zone_of_the_map(directory: Path) -> None:
    def start(cells: str, **form: str) -> datetime:
        taken = one(directory, f"7,{cells},", product__start_time={"column": "A", **form})
        return from_timestamp(taken.product.start_time)

    assert start("2026-03-01") == datetime(2026, 2, 28, 16, tzinfo=UTC)
    assert start("01/03/2026", **{"as": "%d/%m/%Y"}) == datetime(2026, 2, 28, 16, tzinfo=UTC)
    assert start("2026-03-01T08:00:00+02:00") == datetime(2026, 3, 1, 6, tzinfo=UTC)
    assert start("12", **{"as": "months_before"}) == datetime(2025, 10, 31, 16, tzinfo=UTC)
    said = problem(directory, "7,soon,", product__start_time={"column": "A"})
    assert said == "product.start_time: not a date: soon"


def test_a_contract_ends_with_the_term_that_runs(directory: Path) -> None:
    def ends(tenure: str, term: str) -> str:
        start = {"column": "A", "as": "months_before"}
        end = {"column": "B", "as": "term_months"}
        taken = one(directory, f"7,{tenure},{term}", product__start_time=start, product__contract_end_time=end)
        return (
            taken.product.contract_end_time.ToJsonString()[:10] if taken.product.HasField("contract_end_time") else ""
        )

    assert ends("5", "12") == "2027-05-31"
    assert ends("12", "12") == "2027-10-31"
    assert ends("0", "24") == "2028-10-31"
    assert ends("30", "") == ""


@given(day=DAYS, months=st.integers(-600, 600))
def test_months_later_is_the_same_day_or_the_last_of_a_shorter_month(day: date, months: int) -> None:
    later = add_months(day, months)
    assert (later.year - day.year) * 12 + later.month - day.month == months
    assert later.day == day.day or (
        later.day < day.day and add_months(later.replace(day=1), 1).toordinal() - 1 == later.toordinal()
    )


@given(start=DAYS, months=st.integers(1, 60), as_of=DAYS)
def test_the_running_term_is_the_first_that_ends_later(start: date, months: int, as_of: date) -> None:
    ends = (add_months(start, count * months) for count in range(1, 1300))
    assert term_end(start, months, as_of) == next(end for end in ends if end > as_of)


def test_lines_take_numbers_in_order_whatever_else_is_wrong_with_them_until_none_is_left(directory: Path) -> None:
    customers = opened(directory, value_map(billing_account__balance={"column": "A"}), last="02")
    assert customers.customer(["1", "", ""]).product.number == "+8619851000000"
    with pytest.raises(LineInvalid):
        customers.customer(["2", "much", ""])
    assert customers.customer(["3", "", ""]).product.number == "+8619851000002"
    with pytest.raises(LineInvalid, match="the range line is exhausted"):
        customers.customer(["4", "", ""])


def test_a_line_with_other_columns_than_the_header_is_rejected(directory: Path) -> None:
    assert problem(directory, "7,x").startswith("columns: as many cells as the header has")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": {}}, "customer: name not told"),
        ({"name": {"column": "Nobody"}}, "customer.name: the file has no column 'Nobody'"),
        ({"name": {"column": "A", "template": "x"}}, "customer.name: needs one of column, template, range"),
        ({"name": {"column": "A", "if": "x"}}, "customer.name: unknown: if"),
        ({"name": {"column": "A", "as": "%Y"}}, "customer.name: cannot be read as %Y"),
        ({"name": {"template": "{A"}}, "customer.name: "),
        ({"name": {"column": "A", "otherwise": "x"}}, "customer.name: otherwise goes with a table"),
        ({"product__number": {"range": "other"}}, "customer.product.number: give --numbers other=FIRST-LAST"),
        ({"nickname": "x"}, "customer: unknown: nickname"),
        ({"other_contacts": {"column": "A"}}, "customer.other_contacts: not a list"),
        ({"other_contacts": [{"column": "Nobody"}]}, "customer.other_contacts.0: the file has no column 'Nobody'"),
        ({"product__subscriptions": "x"}, "customer.product: unknown: subscriptions"),
    ],
)
def test_a_map_that_cannot_be_used_says_where(directory: Path, changes: dict[str, object], said: str) -> None:
    with pytest.raises(MapUnusable) as raised:
        opened(directory, value_map(**changes))
    assert str(raised.value).startswith(said)


def test_other_contacts_come_from_columns_and_empty_ones_are_left_out(directory: Path) -> None:
    contacts = [{"column": "A"}, {"column": "B"}]
    taken = [
        [each.number for each in one(directory, cells, other_contacts=contacts).other_contacts]
        for cells in ("1,13812341234,+8613912341234", "2,,+8613912341234", "3,,")
    ]
    assert taken == [["13812341234", "+8613912341234"], ["+8613912341234"], []]


def test_a_date_that_counts_from_a_day_needs_that_day(directory: Path) -> None:
    content = value_map(product__start_time={"column": "A", "as": "months_before"})
    del content["as_of"]
    with pytest.raises(MapUnusable, match="as_of"):
        opened(directory, content)


def test_a_range_has_a_name_and_two_numbers_of_one_length() -> None:
    assert parse_range("+8619851000000-+8619851000009") == ("line", "+8619851000000", "+8619851000009")
    assert parse_range("broadband=+862880000000-+862880000009")[0] == "broadband"
    for wrong in ("+8619851000000", "+8619851000009-+8619851000000", "x-y", "+862880000000-+8619851000009"):
        with pytest.raises(ValueError, match=r"FIRST-LAST|NUMBER_INVALID"):
            parse_range(wrong)
