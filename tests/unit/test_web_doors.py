"""No rule stands in a page, a template or a mapping: the doors of the web ask RPCs, and show what these answer."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.unit import web_doors
from tests.unit.tidy import Source, imports
from tests.unit.web_doors import Breach

ROOT = Path(__file__).parents[2]
FABRIC = ("gateway.api", "gateway.errors", "gateway.time", "gateway.values", "gateway.web", "gateway.wording")
# The folders of the doors, and the beginnings of the names that they take besides those of the fabric, words and rules.
DOORS = {
    "coordinator/console": (
        "coordinator.configuration.comparing.changes_of",
        "coordinator.oversight.complaint_rules.",
        "coordinator.oversight.settlement_rules.",
        "gateway.cli.problems.Names",
        "gateway.cli.problems.told_",
        "gateway.federation.files.dump",
    ),
    "region_node/console": (
        "gateway.federation.documents.parse_alternatives",
        "gateway.federation.joint_rules.",
        "region_node.business.joint.course.",
        "region_node.business.joint.templates.",
        "region_node.business.orders.business.",
        "region_node.care.complaints.course.",
        "region_node.care.complaints.steps.",
        "region_node.care.issues.course.",
        "region_node.care.silences.wording.",
        "region_node.network.faults.course.",
        "region_node.network.faults.outages.due_of",
        "region_node.network.measurements.causes.",
        "region_node.network.measurements.objects.key_of",
        "region_node.network.measurements.objects.name_of",
        "region_node.network.measurements.prospect.",
        "region_node.network.measurements.steps.",
        "region_node.network.support.course.",
        "region_node.requests.checks.TEXT_LIMIT",
    ),
    "region_node/open_api": (
        "region_node.listeners.callbacks.POST_SECONDS",
        "region_node.listeners.events.ResourceEvent",
        "region_node.records.listing.FAR",
        "region_node.requests.checks.LONGEST_WAIT",
        "region_node.requests.checks.require_name",
    ),
}
TEMPLATES = ("region_node/console/templates", "coordinator/console/templates", "gateway/web/console/templates")

Rule = Callable[[Source], Iterator[Breach]]
# The places where one may stand, as `path::function`, with the reason.
STATES = {
    "coordinator/console/board.py::_concerned": "regions that never joined and have no flow stand behind a link",
    "coordinator/console/board.py::_show": "regions that never joined stand last",
    "coordinator/console/membership.py::_show": "a page has the form of the end, or that of the suspension",
    "coordinator/console/region.py::_links": "the page leads to the acts that change something",
    "coordinator/console/risks.py::_show": "the matrix has the open risks of the list",
    "coordinator/console/words.py::problem_state_cell": "the colour of a badge",
    "region_node/console/network.py::_alarms": "the name of a person who no longer looks after an alarm is left out",
    "region_node/open_api/alarms.py::list_request": "the states that a query selects, in the words of the RPC",
    "region_node/open_api/cancellations.py::_state": "the state of a task of TM Forum, which the order is here",
    "region_node/open_api/product_orders.py::_pattern": "a state that TM Forum has for orders, and not for items",
    "region_node/open_api/service_problems.py::told_problem": "the change whose time TM Forum has as an attribute",
    "region_node/open_api/trouble_tickets.py::told_ticket": "the change whose time TM Forum has as an attribute",
}
QUANTITIES = {
    "coordinator/console/board.py::_present": "the span of the traffic that a map shows",
    "coordinator/console/order.py::_waterfall": "the places of hops in a chart",
    "coordinator/console/flows.py::_earlier": "the older of two envelopes that wait",
    "coordinator/console/reconciliation.py::_read": "the days that the page asks for",
    "region_node/console/link.py::_read": "the year that the page asks for",
    "region_node/console/work_list.py::_is_due": "the span that a person has chosen",
    "region_node/console/work_list.py::_kinds": "the span that a person has chosen",
    "region_node/open_api/resources.py::told_amount": "TM Forum has major units",
}
REFUSALS = {
    "region_node/console/guides.py::in_words": "the refusal of the RPC, in the words of the form",
    "region_node/open_api/cancellations.py::told_cancellation": "TM Forum has a resource for it, and no RPC has",
    "region_node/open_api/customer_bills.py::_unknown": "TM Forum has an id for a bill, and the RPC has a month",
    "region_node/open_api/hub.py::hub_routes.got": "TM Forum has an address for a listener, and the RPC has a list",
}
MEASURES: Mapping[str, str] = {}
RULES: Mapping[Rule, Mapping[str, str]] = {
    web_doors.states_compared: STATES,
    web_doors.quantities_reckoned: QUANTITIES,
    web_doors.refusals_made: REFUSALS,
    web_doors.measures_fixed: MEASURES,
}
SET = "a condition that stands in a template twice has a name"
PLACES = "the id of a field is that of its form and its name"
BEYOND_MARKUP = {
    "gateway/web/console/templates/entries.html.j2": ({"Concat"}, PLACES),
    "gateway/web/console/templates/ticket.html.j2": ({"Assign"}, SET),
}


def sources(*folders: str) -> Iterator[Source]:
    """The modules of doors, but for those that read settings."""
    for folder in folders:
        for path in sorted((ROOT / folder).glob("*.py")):
            if path.name != "served.py":
                yield Source(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))


@pytest.mark.parametrize("folder", DOORS)
def test_a_door_of_the_web_touches_no_store_and_no_operation(folder: str) -> None:
    program = folder.partition("/")[0]
    known = (*FABRIC, f"{folder.replace('/', '.')}.", f"{program}.wording", *DOORS[folder])
    taken = [each for source in sources(folder) for each in imports(source) if each.name]
    assert taken, "nothing is imported, so nothing was checked"
    for each in taken:
        if each.module.startswith(("gateway", program)):
            is_rule = "rules" in each.full.split(".")
            assert is_rule or f"{each.full}.".startswith(known), each.full


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_door_of_the_web_decides_nothing_but_where_it_is_listed(rule: Rule) -> None:
    found = {f"{source.path}::{place}": line for source in sources(*DOORS) for place, line in rule(source)}
    unlisted = [f"{place} (line {line})" for place, line in found.items() if place not in RULES[rule]]
    assert not unlisted, "\n".join(unlisted)
    assert not RULES[rule].keys() - found.keys(), "listed, but nothing stands there any more"


def test_a_template_of_a_console_has_markup_loops_and_simple_conditions_alone() -> None:
    paths = [path for folder in TEMPLATES for path in sorted((ROOT / folder).glob("*.j2"))]
    assert paths, "no template was found, so nothing was checked"
    beyond = {path.relative_to(ROOT).as_posix(): web_doors.beyond_markup(path.read_text("utf-8")) for path in paths}
    assert {path: found for path, found in beyond.items() if found} == {
        path: kinds for path, (kinds, _) in BEYOND_MARKUP.items()
    }


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (web_doors.states_compared, "order.state == OrderState.ORDER_STATE_DONE"),
        (web_doors.states_compared, "alarm.ack_state not in (SEEN,)"),
        (web_doors.states_compared, "held in (OrderState.ORDER_STATE_HELD, OTHER)"),
        (web_doors.quantities_reckoned, "order.due_time.seconds < limit"),
        (web_doors.quantities_reckoned, "visit.now - begun"),
        (web_doors.quantities_reckoned, "bill.total.minor_units > 0"),
        (web_doors.quantities_reckoned, "days * timedelta(days=1)"),
        (web_doors.measures_fixed, "complaint.level >= rules.HIGH"),
        (web_doors.measures_fixed, "complaint.level == 3"),
        (web_doors.measures_fixed, "order.home_region == 'sichuan'"),
        (web_doors.measures_fixed, "region in ('sichuan', 'hunan')"),
        (web_doors.refusals_made, "Refused(Reason.REASON_ORDER_NOT_FOUND)"),
    ],
)
def test_a_rule_in_a_door_is_seen_with_its_place(rule: Rule, text: str) -> None:
    assert [place for place, _ in rule(Source("x.py", f"class C:\n  def f(self):\n    return {text}\n"))] == ["C.f"]


def test_a_level_that_a_module_names_is_seen_as_its_figure_is() -> None:
    source = Source("x.py", "A, HIGH = 'a', 3\ndef f(each):\n    return each.level in (HIGH, 4)\n")
    assert [place for place, _ in web_doors.measures_fixed(source)] == ["f"]


@pytest.mark.parametrize(
    "text",
    [
        "region in (each.start, each.end)",
        "order.region == ''",
        "order_state(order.state)",
        "len(rows) > MOST",
        "first + MOST",
        "unit == timed",
        "invalid(name, 'is no number', '不是编号')",
    ],
)
def test_words_sizes_of_lists_and_wrong_forms_are_no_rules(text: str) -> None:
    source = Source("x.py", f"def f():\n    return {text}\n")
    assert not [place for rule in RULES for place in rule(source)]


@pytest.mark.parametrize(
    ("template", "kinds"),
    [
        ("{% if order.amount > 0 %}x{% endif %}", {"Compare"}),
        ("{% if order.count == 3 %}x{% endif %}", {"Compare"}),
        ("{% if order.home_region == 'sichuan' %}x{% endif %}", {"Compare"}),
        ("{% if level == high %}x{% endif %}", {"Compare"}),
        ("{{ order.amount * 2 }}", {"Mul"}),
        ("{{ rows | sum }}", {"Filter"}),
        ("{% if rows is defined %}x{% endif %}", {"Test"}),
        ("{% if field.kind == 'time' and not field.text %}{{ field.text }}{% endif %}", set()),
    ],
)
def test_an_expression_that_decides_is_seen_in_a_template(template: str, kinds: set[str]) -> None:
    assert web_doors.beyond_markup(template) == kinds
