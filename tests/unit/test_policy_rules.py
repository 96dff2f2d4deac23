"""The rules for policies, regional promises, offerings, service points and number pools; each broken once."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from gateway.api.federation.v1 import configuration_pb2 as contract
from gateway.api.federation.v1.configuration_pb2 import (
    Allowance,
    Business,
    Configuration,
    Figure,
    Offering,
    OpeningHours,
    Plan,
    Policy,
    RegionalLimit,
    RegionalPolicy,
    ServicePoint,
    TimeLimit,
)
from gateway.api.federation.v1.terms_pb2 import CodeTerm
from gateway.api.types.v1.types_pb2 import Channel, LocalizedText, Money
from gateway.federation.business_rules import businesses_problems
from gateway.federation.rules import Change, difference, problems, problems_not_in_force, refused_orders
from tests.shipped import shipped_configuration

ROOT = Path(__file__).parents[2]
SHIPPED = shipped_configuration()
TEXT = LocalizedText(zh_cn="文", en="text")
YUAN = Money(minor_units=100, currency="CNY")
Break = Callable[[Configuration], object]

# What the rules ask for by name.
NAMES = {
    "abnormal-bill-at-the-edge",
    "abnormal-bill-times",
    "arrears-suspension",
    "arrears-termination",
    "bills-kept",
    "card-limit",
    "code-expires",
    "complaint-answer",
    "complaint-group-size",
    "complaint-group-window",
    "complaint-proposal-confidence",
    "complaint-proposal-lead",
    *(f"complaint-s{n}-{stage}" for n in (1, 2, 3, 4) for stage in ("acknowledgement", "first-response", "resolution")),
    "complaint-s2-resolution-rural",
    "fault-repair-rural",
    "fault-repair-urban",
    "late-fee",
    "late-installation",
    "payment-due",
    "renewal-reminder-first",
    "renewal-reminder-last",
    "renewal-reminder-second",
    "renewal-window",
    "resume-after-payment",
    "roaming-credit",
    "sim-settles",
    "verification-failures",
    "verification-lock",
}


def test_every_policy_that_the_rules_need_is_shipped() -> None:
    shipped = {policy.name for policy in SHIPPED.policies}
    assert NAMES - shipped == set()


def test_every_policy_that_the_code_names_is_shipped() -> None:
    shipped = {policy.name for policy in SHIPPED.policies}
    named = set(policies_named())
    assert named, "no policy is asked for anywhere, so nothing was checked"
    assert named - shipped == set()


def policies_named() -> Iterator[str]:
    """The names that calls of `figure`, `policy` and `policy_due` are given as they stand there."""
    for path in [*(ROOT / "region_node").rglob("*.py"), *(ROOT / "coordinator").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                first = node.args[0]
                asked = node.func.attr in ("figure", "policy", "policy_due")
                if asked and isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield first.value


def hours(count: int, source: str = "x") -> TimeLimit:
    limit = TimeLimit(source=source)
    limit.duration.FromSeconds(count * 3600)
    return limit


def figure(value: int, unit: contract.Unit.ValueType = contract.UNIT_DAYS, source: str = "x") -> Figure:
    return Figure(value=value, unit=unit, source=source)


def policy(*regional: RegionalPolicy, **fields: object) -> Break:
    """Adds the policy `new`; fields replace those of a good one with a figure of ten days."""
    usual: dict[str, object] = {"name": "new", "title": TEXT, "stricter": contract.STRICTER_HIGHER}
    if "limit" not in fields:
        usual["figure"] = figure(10)
    told = {name: value for name, value in {**usual, **fields}.items() if value is not None}
    return lambda c: c.policies.append(Policy(**told, regional=regional))  # type: ignore[arg-type]


def henan(**value: TimeLimit | Figure) -> RegionalPolicy:
    return RegionalPolicy(region="henan", **value)  # type: ignore[arg-type]


def time_policy(*regional: RegionalPolicy) -> Break:
    return policy(*regional, limit=hours(48), stricter=0)


def resume(**fields: object) -> Break:
    """Sets fields of RESUME, whose national limit is 24 h."""

    def change(configuration: Configuration) -> None:
        found = next(each for each in configuration.businesses if each.code == "RESUME")
        for name in fields:
            found.ClearField(name)  # type: ignore[arg-type]
        found.MergeFrom(Business(**fields))  # type: ignore[arg-type]

    return change


def regional(region: str, limit: TimeLimit) -> Break:
    return resume(regional_limits=[RegionalLimit(region=region, limit=limit)])


def characteristic(**fields: object) -> Break:
    told = {"name": "thing", "description": TEXT, **fields}
    return resume(characteristics=[contract.CharacteristicSpecification(**told)])  # type: ignore[arg-type]


def offering(**fields: object) -> Break:
    usual: dict[str, object] = {
        "id": "henan-tunes",
        "region": "henan",
        "kind": contract.OFFERING_KIND_VALUE_ADDED,
        "name": TEXT,
        "price": YUAN,
    }
    return lambda c: c.offerings.append(Offering(**{**usual, **fields}))  # type: ignore[arg-type]


def point(*opening: tuple[str, str], days: bool = True, **fields: object) -> Break:
    usual: dict[str, object] = {"id": "henan-hall", "region": "henan", "name": TEXT, "address": TEXT}
    usual |= {"channels": [Channel.CHANNEL_COUNTER], **fields}
    times = [OpeningHours(working_days=days, opens=opens, closes=closes) for opens, closes in opening]
    return lambda c: c.service_points.append(ServicePoint(**usual, opening_hours=times))  # type: ignore[arg-type]


def pool(first: str, last: str, region: str = "henan", kind: int = contract.LINE_KIND_MOBILE) -> Break:
    def change(configuration: Configuration) -> None:
        found = next(each for each in configuration.regions if each.id == region)
        found.number_pools.add(kind=contract.LineKind.ValueType(kind), first=first, last=last)

    return change


def both(*breaks: Break) -> Break:
    return lambda c: [each(c) for each in breaks]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (policy(name="late-fee"), "policies[late-fee]: stands here twice"),
        (policy(name="Late Fee"), "policies[Late Fee].name: use lower-case letters"),
        (policy(title=None), "policies[new].title.en: the text is missing"),
        (policy(figure=None), "policies[new]: has no national value"),
        (policy(stricter=None), "policies[new].stricter: is missing"),
        (policy(limit=hours(1)), "policies[new].stricter: the earlier end of a limit is the stricter"),
        (policy(limit=TimeLimit(days=0, source="x"), stricter=None), "policies[new].limit.days: must be 1 to 366"),
        (policy(limit=hours(1, ""), stricter=None), "policies[new].limit.source: is missing"),
        (policy(figure=figure(-1)), "policies[new].figure.value: must not be negative"),
        (policy(figure=figure(1, contract.UNIT_UNSPECIFIED)), "policies[new].figure.unit: is missing"),
        (policy(figure=figure(2, contract.UNIT_YES_NO)), "policies[new].figure.value: must be 1 for yes or 0"),
        (policy(figure=figure(1, source=" ")), "policies[new].figure.source: is missing"),
        (policy(RegionalPolicy(region="atlantis", figure=figure(11))), "regional[atlantis].region: unknown region"),
        (
            policy(henan(figure=figure(11)), henan(figure=figure(12))),
            "policies[new].regional[henan]: stands here twice",
        ),
        (policy(henan(limit=hours(1))), "policies[new].regional[henan]: must be a figure, like the national value"),
        (time_policy(henan(figure=figure(1))), "policies[new].regional[henan]: must be a limit, like the national"),
        (policy(henan()), "policies[new].regional[henan]: must be a figure"),
        (policy(henan(figure=figure(9))), "policies[new].regional[henan].figure.value: is looser"),
        (policy(henan(figure=figure(11)), stricter=contract.STRICTER_LOWER), "[henan].figure.value: is looser"),
        (policy(henan(figure=figure(11, contract.UNIT_HOURS))), "[henan].figure.unit: must be UNIT_DAYS"),
        (time_policy(henan(limit=hours(49))), "policies[new].regional[henan].limit.duration: is longer"),
        (time_policy(henan(limit=hours(0))), "policies[new].regional[henan].limit.duration: must be whole seconds"),
        (regional("henan", hours(25)), "businesses[RESUME].regional_limits[henan].limit.duration: is longer"),
        (regional("henan", hours(1, "")), "businesses[RESUME].regional_limits[henan].limit.source: is missing"),
        (regional("atlantis", hours(1)), "businesses[RESUME].regional_limits[atlantis].region: unknown region"),
        (
            resume(regional_limits=[RegionalLimit(region="henan", limit=hours(1))] * 2),
            "businesses[RESUME].regional_limits[henan]: stands here twice",
        ),
        (resume(policies=["no-such"]), "businesses[RESUME].policies: unknown policy no-such"),
        (resume(policies=["late-fee"] * 2), "businesses[RESUME].policies[late-fee]: stands here twice"),
        (resume(rule="Work Order"), "businesses[RESUME].rule: use capital letters"),
        (resume(rule="RESUME"), "businesses[RESUME].rule: leave it empty"),
        (resume(home_characteristic="place"), "businesses[RESUME].home_characteristic: there is no characteristic"),
        (resume(home_characteristic="reason"), "home_characteristic: reason must be required and a VALUE_TYPE_REGION"),
        (
            both(
                characteristic(value_type=contract.VALUE_TYPE_REGION, required=False),
                resume(home_characteristic="thing"),
            ),
            "home_characteristic: thing must be required and a VALUE_TYPE_REGION",
        ),
        (characteristic(value_type=contract.VALUE_TYPE_CHOICE), "characteristics[thing].choices: VALUE_TYPE_CHOICE"),
        (characteristic(value_type=contract.VALUE_TYPE_TEXT, choices=["a"]), "characteristics[thing].choices: VALUE"),
        (
            characteristic(value_type=contract.VALUE_TYPE_TEXT, at_most="roaming-credit"),
            "characteristics[thing].at_most: only",
        ),
        (
            characteristic(value_type=contract.VALUE_TYPE_AMOUNT, at_most="bills-kept"),
            "characteristics[thing].at_most: no",
        ),
        (
            characteristic(value_type=contract.VALUE_TYPE_AMOUNT, at_most="missing"),
            "characteristics[thing].at_most: no",
        ),
        (
            characteristic(value_type=contract.VALUE_TYPE_CHOICE, choices=["a", "a"]),
            "characteristics[thing].choices[a]: stands here twice",
        ),
        (
            characteristic(value_type=contract.VALUE_TYPE_CHOICE, choices=["a b"]),
            "characteristics[thing].choices[a b]: use letters",
        ),
        (
            characteristic(
                value_type=contract.VALUE_TYPE_CHOICE, choices=["a"], choice_names=[CodeTerm(code="b", name=TEXT)]
            ),
            "characteristics[thing].choice_names[b]: is none of the choices",
        ),
        (
            characteristic(value_type=contract.VALUE_TYPE_CHOICE, choices=["a"], choice_names=[CodeTerm(code="a")]),
            "characteristics[thing].choice_names[a].name.zh_cn: the text is missing",
        ),
        (
            resume(handling_fee=Money(minor_units=-1, currency="CNY")),
            "businesses[RESUME].handling_fee.minor_units: not 0 to 1000000",
        ),
        (resume(handling_fee=Money(currency="USD")), "[RESUME].handling_fee.currency: there are accounts in CNY"),
        (resume(fee=Money(minor_units=0, currency="CNY")), "businesses[RESUME].fee.minor_units: must be positive"),
        (
            resume(fee=Money(minor_units=1, currency="USD")),
            "[RESUME].fee.currency: there are accounts in CNY",
        ),
        (resume(limit=TimeLimit(days=367, source="x")), "businesses[RESUME].limit.days: must be 1 to 366"),
        (both(offering(), offering()), "offerings[henan-tunes]: stands here twice"),
        (offering(id="Tunes"), "offerings[Tunes].id: use lower-case"),
        (offering(region="atlantis"), "offerings[henan-tunes].region: unknown region"),
        (offering(kind=0), "offerings[henan-tunes].kind: is missing"),
        (offering(name=None), "offerings[henan-tunes].name.en: the text is missing"),
        (offering(price=None), "offerings[henan-tunes].price.minor_units: must be positive"),
        (offering(price=Money(minor_units=1, currency="USD")), "offerings[henan-tunes].price.currency: the region's"),
        (
            offering(kind=contract.OFFERING_KIND_ROAMING, price=Money(currency="USD")),
            "offerings[henan-tunes].price.currency: the region's",
        ),
        (offering(months=3), "offerings[henan-tunes].months: only a contract has them"),
        (offering(kind=contract.OFFERING_KIND_CONTRACT), "offerings[henan-tunes].months: must be 1 to 60"),
        (offering(allowance=Allowance(minutes=1)), "offerings[henan-tunes].allowance: only a pack has one"),
        (offering(kind=contract.OFFERING_KIND_PACK), "offerings[henan-tunes].allowance: a pack must hold something"),
        (both(point(), point()), "service_points[henan-hall]: stands here twice"),
        (point(id="Hall 1"), "service_points[Hall 1].id: use lower-case"),
        (point(region="atlantis"), "service_points[henan-hall].region: unknown region"),
        (point(address=None), "service_points[henan-hall].address.en: the text is missing"),
        (point(channels=[]), "service_points[henan-hall].channels: there is none"),
        (point(channels=[1, 1]), "service_points[henan-hall].channels[CHANNEL_COUNTER]: stands here twice"),
        (point(("9:00", "17:00")), "service_points[henan-hall].opening_hours[0].opens: '9:00' is not of the form"),
        (point(("09:00", "25:00")), "service_points[henan-hall].opening_hours[0].closes: '25:00' is not of the form"),
        (point(("09:00", "12:60")), "service_points[henan-hall].opening_hours[0].closes: '12:60' is not of the form"),
        (point(("24:00", "24:00")), "service_points[henan-hall].opening_hours[0].opens: '24:00' is not of the form"),
        (point(("09:00", "09:00")), "service_points[henan-hall].opening_hours[0].closes: must be later"),
        (point(("09:00", "17:00"), days=False), "opening_hours[0]: must be for working days, for days off or for"),
        (pool("+8619841000000", "+8619841000999", kind=0), "number_pools[+8619841000000].kind: is missing"),
        (pool("8619841000000", "+8619841000999"), "number_pools[8619841000000].first: not a full E.164 number"),
        (pool("+8619841000000", "+86198410009999"), "number_pools[+8619841000000].last: must be as long as the first"),
        (pool("+8619841000999", "+8619841000000"), "number_pools[+8619841000999].last: comes before the first"),
        (pool("+8619840999999", "+8619841000010"), "number_pools[+8619840999999]: +8619840999999 is not the region's"),
        (pool("+8619841999990", "+8619842000010"), "number_pools[+8619841999990]: +8619842000000 is not the region's"),
        (pool("+8619851000000", "+8619851000010"), "number_pools[+8619851000000]: +8619851000000 is not the region's"),
        (
            both(
                lambda c: c.number_plan.prefixes.add(region="sichuan", prefixes=["+86198410005"]),
                pool("+8619841000000", "+8619841000999"),
            ),
            "number_pools[+8619841000000]: +8619841000500 is not the region's own",
        ),
        (
            both(
                lambda c: c.number_plan.exceptions.add(region="sichuan", number="+8619841000007"),
                pool("+8619841000000", "+8619841000999"),
            ),
            "number_pools[+8619841000000]: +8619841000007 is not the region's own",
        ),
        (
            both(pool("+8637160000000", "+8637160000500"), pool("+8637160000500", "+8637160000600", kind=2)),
            "number_pools[+8637160000500]: overlaps regions[henan].number_pools[+8637160000000]",
        ),
        (
            lambda c: c.plans.append(
                Plan(id="henan-1", region="henan", name=TEXT, monthly_rent=YUAN, allowance=Allowance())
            ),
            "plans[henan-1].rates: what is used beyond the allowance has no price",
        ),
    ],
)
def test_a_broken_rule_is_told_with_its_path(change: Break, problem: str) -> None:
    changed = changed_by(change)
    assert any(problem in told for told in problems(changed)), problems(changed)


@pytest.mark.parametrize(
    "change",
    [
        policy(henan(figure=figure(10))),
        policy(henan(figure=figure(11))),
        policy(henan(figure=figure(9)), stricter=contract.STRICTER_LOWER),
        time_policy(henan(limit=hours(48))),
        # In another unit whichever ends first counts, so that neither is looser.
        time_policy(henan(limit=TimeLimit(working_days=3, source="x"))),
        regional("henan", hours(24)),
        regional("henan", TimeLimit(days=2, source="x")),
        offering(kind=contract.OFFERING_KIND_CONTRACT, months=24, price=None),
        offering(kind=contract.OFFERING_KIND_PACK, allowance=Allowance(mebibytes=1024)),
        offering(kind=contract.OFFERING_KIND_ROAMING, price=None),
        point(),
        point(("08:00", "12:00"), ("13:30", "24:00")),
        pool("+8637160000000", "+8637160000999", kind=contract.LINE_KIND_BROADBAND),
        both(characteristic(value_type=contract.VALUE_TYPE_REGION, required=True), resume(home_characteristic="thing")),
        characteristic(value_type=contract.VALUE_TYPE_CHOICE, choices=["at-once", "monthly"]),
        resume(fee=YUAN, rule="SUSPEND", policies=["late-fee"]),
    ],
)
def test_what_keeps_to_the_rules_has_no_problems(change: Break) -> None:
    assert problems(changed_by(change)) == []


def test_a_precondition_whose_figure_is_missing_is_named_and_not_put_in_force_but_one_in_force_hinders_nothing() -> (
    None
):
    needed = {"sim-settles": {"QRY_BILL", "TRANSFER"}, "month-begin": {"TRANSFER"}}
    for name, businesses in needed.items():

        def gone(configuration: Configuration, name: str = name) -> None:
            left = [each for each in configuration.policies if each.name != name]
            del configuration.policies[:]
            configuration.policies.extend(left)
            for business in configuration.businesses:
                business.policies[:] = [each for each in business.policies if each != name]

        def of_a_time(configuration: Configuration, name: str = name) -> None:
            next(each for each in configuration.policies if each.name == name).limit.CopyFrom(hours(72))

        def of_another_unit(configuration: Configuration, name: str = name) -> None:
            next(each for each in configuration.policies if each.name == name).figure.unit = contract.UNIT_COUNT

        def beyond_any_month(configuration: Configuration, name: str = name) -> None:
            policy = next(each for each in configuration.policies if each.name == name)
            policy.regional.add(region="henan").figure.CopyFrom(figure(10**12, policy.figure.unit))

        for change in (gone, of_a_time, of_another_unit, beyond_any_month):
            wanted = changed_by(change)
            found = refused_orders(wanted)
            assert {each.partition("].preconditions: ")[0] for each in found} == {
                f"businesses[{code}" for code in businesses
            }
            assert all(name in each for each in found)
            assert problems_not_in_force(wanted, SHIPPED) == found
            assert problems_not_in_force(wanted, wanted) == []
        assert problems(changed_by(gone)) == [], "a region goes on with one that is in force"
    assert refused_orders(SHIPPED) == []


class Counted(list[Policy]):
    """Policies that count how often anybody walks through them."""

    walks = 0

    def __iter__(self) -> Iterator[Policy]:
        self.walks += 1
        return super().__iter__()


def test_the_policies_are_walked_through_as_often_for_many_businesses_as_for_one() -> None:
    empty, walks = Configuration(), set[int]()
    for count in (1, 9):
        policies, businesses = Counted(SHIPPED.policies), [*SHIPPED.businesses] * count
        wanted = cast(
            "Configuration", SimpleNamespace(materials=[], regions=[], policies=policies, businesses=businesses)
        )
        assert [*businesses_problems(wanted)]
        problems_not_in_force(wanted, empty)
        walks.add(policies.walks)
    assert len(walks) == 1


def test_the_order_of_policies_and_pools_makes_no_difference_and_a_regional_value_has_its_region_s_path() -> None:
    change = both(
        time_policy(henan(limit=hours(24)), RegionalPolicy(region="sichuan", limit=hours(12))),
        pool("+8637160000000", "+8637160000100"),
        pool("+8637160000200", "+8637160000300"),
        point(id="henan-other"),
        point(),
    )
    old, new = changed_by(change), changed_by(change)
    new.policies.reverse()
    new.policies[0].regional.reverse()
    new.service_points.reverse()
    for region in new.regions:
        region.number_pools.reverse()
    assert difference(old, new) == []
    new.policies[0].regional[0].limit.duration.FromSeconds(3600)
    assert difference(old, new) == [
        Change("policies[new].regional[sichuan].limit.duration", "12:00:00", "1:00:00"),
    ]


def changed_by(change: Break) -> Configuration:
    copy = Configuration()
    copy.CopyFrom(SHIPPED)
    for region in copy.regions:
        region.ClearField("number_pools")
    change(copy)
    return copy
