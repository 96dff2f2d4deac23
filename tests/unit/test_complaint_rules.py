"""The rules for complaint categories and their words, each broken once; the shipped ones."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from gateway.api.federation.v1 import configuration_pb2 as contract
from gateway.api.federation.v1.configuration_pb2 import ComplaintCategory, Configuration, RegionalLimit, TimeLimit
from gateway.api.region.v1.fault_pb2 import FaultCause
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.federation.rules import Change, difference, problems
from tests.shipped import shipped_configuration

SHIPPED = shipped_configuration()
FEDERATION = Federation(1, SHIPPED)
Break = Callable[[Configuration], object]

CODES = [
    "SVC_ATTITUDE",
    "SVC_DELAY",
    "SVC_XREGION_REFUSED",
    "SVC_MATERIAL_REPEAT",
    "SVC_CONTRACT",
    "SVC_MARKETING",
    "SVC_PORTING",
    "SVC_SUSPEND_WRONG",
    "SVC_TERMINATE_FAIL",
    "SVC_AFTERSALE",
    "NET_OUTAGE",
    "NET_COVERAGE",
    "NET_SPEED",
    "NET_CROSS_PATH",
    "NET_INSTALL",
    "BILL_WRONG",
    "BILL_VAS",
    "BILL_ABNORMAL",
    "BILL_ROAM",
    "BILL_REFUND_LATE",
    "PRIV_LEAK",
    "PRIV_SHARE",
    "PRIV_RIGHTS",
    "SPAM_CALL",
    "FRAUD",
    "ENT_SLA",
    "SUGGESTION",
    "OTHER",
]


def hours(count: int) -> TimeLimit:
    limit = TimeLimit(source="x")
    limit.duration.FromSeconds(count * 3600)
    return limit


def working_days(count: int) -> TimeLimit:
    return TimeLimit(working_days=count, source="x")


def named(configuration: Configuration, code: str = "BILL_WRONG") -> ComplaintCategory:
    return next(each for each in configuration.complaint_categories if each.code == code)


def category(code: str = "BILL_WRONG", **fields: object) -> Break:
    """Sets fields of a category."""

    def change(configuration: Configuration) -> None:
        found = named(configuration, code)
        for name in fields:
            found.ClearField(name)  # type: ignore[arg-type]
        found.MergeFrom(ComplaintCategory(**{name: value for name, value in fields.items() if value is not None}))  # type: ignore[arg-type]

    return change


def policy(name: str, **fields: object) -> Break:
    """Sets fields of a policy; with none, takes it away."""

    def change(configuration: Configuration) -> None:
        at = [each.name for each in configuration.policies].index(name)
        if not fields:
            del configuration.policies[at]
            return
        configuration.policies[at].MergeFrom(contract.Policy(**fields))  # type: ignore[arg-type]

    return change


def word(text: str, weight: int = 3, *, rhetoric: bool = False) -> Break:
    added = contract.ComplaintWord(text=text, weight=weight, rhetoric=rhetoric)
    return lambda c: c.complaint_words.categories[0].words.append(added)


def every_word_is_rhetoric(configuration: Configuration, code: str) -> None:
    for each in configuration.complaint_words.categories:
        for known in each.words if each.category == code else ():
            known.rhetoric = True


def percent(value: int, unit: contract.Unit.ValueType = contract.UNIT_PERCENT) -> contract.Figure:
    return contract.Figure(value=value, unit=unit, source="x")


BILL = "complaint_categories[BILL_WRONG]"
WORDS = "complaint_words.categories[SVC_ATTITUDE]"
HENAN_LONGER = [RegionalLimit(region="henan", limit=working_days(6))]
BROKEN: list[tuple[Break, str]] = [
    (
        lambda c: c.resolution_causes.append(c.resolution_causes[0]),
        "resolution_causes[billing-error]: stands here twice",
    ),
    (lambda c: setattr(c.resolution_causes[0], "code", "Bill"), "resolution_causes[Bill].code: use lower-case letters"),
    (lambda c: setattr(c.resolution_causes[0].name, "zh_cn", ""), "[billing-error].name.zh_cn: the text is missing"),
    (lambda c: c.complaint_categories.append(named(c)), f"{BILL}: stands here twice"),
    (lambda c: setattr(named(c), "code", "bill wrong"), "complaint_categories[bill wrong].code: use capital letters"),
    (category(name=None), f"{BILL}.name.en: the text is missing"),
    (category(complaint_class=0), f"{BILL}.complaint_class: is missing"),
    (category(owner=0), f"{BILL}.owner: is missing"),
    (category(severity=9), f"{BILL}.severity: 9 is not known"),
    (category(departments=None), f"{BILL}.departments: there is none"),
    (
        lambda c: named(c).departments.append(named(c).departments[0]),
        f"{BILL}.departments[BILLING]: stands here twice",
    ),
    (
        lambda c: setattr(named(c, "BILL_VAS").departments[0].name, "en", "Bills"),
        "complaint_categories[BILL_VAS].departments[BILLING].name: the department is called otherwise",
    ),
    (lambda c: setattr(named(c).departments[0], "code", "b"), f"{BILL}.departments[b].code: use capital letters"),
    (category(resolution_limit=TimeLimit(source="x")), f"{BILL}.resolution_limit: says neither"),
    (category(refund_limit=TimeLimit(days=7)), f"{BILL}.refund_limit.source: is missing"),
    (category("OTHER", resolution_limit=TimeLimit(days=16, source="x")), "OTHER].resolution_limit.days: is longer"),
    (category(regional_limits=HENAN_LONGER), f"{BILL}.regional_limits[henan].limit.working_days: is longer"),
    (
        category(regional_limits=[RegionalLimit(region="atlantis", limit=working_days(1))]),
        f"{BILL}.regional_limits[atlantis].region: unknown region",
    ),
    (category("NET_SPEED", resolution_limit=None), "NET_SPEED].rural_limit: there is no resolution_limit"),
    (
        category("NET_OUTAGE", regional_limits=HENAN_LONGER),
        "NET_OUTAGE].regional_limits: there is no resolution_limit",
    ),
    (policy("complaint-s1-acknowledgement"), "policies[complaint-s1-acknowledgement]: is missing; complaints need it"),
    (policy("complaint-answer"), "policies[complaint-answer]: is missing; complaints need it"),
    *(
        (policy(name), f"policies[{name}]: is missing; complaints need it")
        for name in ("complaint-expedite", "appeal-of-charges", "appeal-of-others", "attachment-size")
    ),
    (
        policy("appeal-of-others", figure=percent(24)),
        "policies[appeal-of-others].figure: must be of UNIT_MONTHS",
    ),
    (
        policy("attachment-size", figure=percent(10)),
        "policies[attachment-size].figure: must be of UNIT_MEBIBYTES",
    ),
    (
        policy("complaint-s4-first-response", figure=percent(3), stricter=contract.STRICTER_LOWER),
        "policies[complaint-s4-first-response]: must be a limit",
    ),
    (
        policy("complaint-proposal-lead", figure=percent(101)),
        "policies[complaint-proposal-lead].figure: must be 0 to 100 UNIT_PERCENT",
    ),
    (
        policy("complaint-proposal-lead", stricter=contract.STRICTER_LOWER),
        "policies[complaint-proposal-lead].stricter: must be STRICTER_HIGHER",
    ),
    (lambda c: c.complaint_words.ClearField("doubt"), "complaint_words.doubt: must be 1 to 1000"),
    (lambda c: setattr(c.complaint_words, "spread", 1001), "complaint_words.spread: must be 1 to 1000"),
    (
        lambda c: c.complaint_words.categories.add(category="NOBODY"),
        "complaint_words.categories[NOBODY].category: unknown category",
    ),
    (
        lambda c: c.complaint_words.categories.append(c.complaint_words.categories[0]),
        f"{WORDS}: stands here twice",
    ),
    (word("态度"), f"{WORDS}.words[态度]: stands here twice"),
    (word("凶", 10), f"{WORDS}.words[凶].weight: must be 1 to 9"),
    (word("凶" * 41), f"{WORDS}.words[{'凶' * 41}].text: longer than 40 characters"),
    (word(""), f"{WORDS}.words[].text: … must stand between two words"),
    (word("凶…"), f"{WORDS}.words[凶…].text: … must stand between two words"),
    (word("Nasty"), f"{WORDS}.words[Nasty].text: write it as texts are read: 'nasty'"),
    (word("isn't nice"), f"{WORDS}.words[isn't nice].text: write it as texts are read: 'isnt nice'"),
    (word("na*ty"), f"{WORDS}.words[na*ty].text: * may only stand at the end"),
    (word("凶*"), f"{WORDS}.words[凶*].text: * may only stand at the end"),
    (word("凶", rhetoric=True), f"{WORDS}.words[凶].rhetoric: only the words of a critical category are asked for it"),
    (
        lambda c: every_word_is_rhetoric(c, "FRAUD"),
        "complaint_words.categories[FRAUD].words: none states a fact",
    ),
]


@pytest.mark.parametrize(("broken", "problem"), BROKEN, ids=[problem[:60] for _, problem in BROKEN])
def test_what_is_wrong_with_complaints_is_named(broken: Break, problem: str) -> None:
    configuration = Configuration()
    configuration.CopyFrom(SHIPPED)
    broken(configuration)
    found = problems(configuration)
    assert any(problem in each for each in found), found


def test_all_problems_are_named_at_once() -> None:
    configuration = Configuration()
    configuration.CopyFrom(SHIPPED)
    for broken in (category(owner=0), category("OTHER", departments=None), word("Nasty"), policy("complaint-answer")):
        broken(configuration)
    assert len(problems(configuration)) == 4


def test_a_federation_needs_no_categories() -> None:
    configuration = Configuration()
    configuration.CopyFrom(SHIPPED)
    for each in list(configuration.policies):
        if each.name.startswith("complaint-"):
            configuration.policies.remove(each)
    del configuration.complaint_categories[:]
    configuration.ClearField("complaint_words")
    configuration.ClearField("body")
    configuration.ClearField("risks")
    assert problems(configuration) == []


def test_the_whole_taxonomy_is_shipped_and_every_category_but_the_last_resort_has_words() -> None:
    assert [each.code for each in FEDERATION.complaint_categories] == sorted(CODES)
    assert {each.category for each in SHIPPED.complaint_words.categories} == {*CODES} - {"OTHER"}
    classes = {each.complaint_class for each in SHIPPED.complaint_categories}
    assert classes == {number for number in contract.ComplaintClass.values() if number}


def test_a_category_that_is_not_there_is_refused() -> None:
    assert FEDERATION.complaint_category("FRAUD").severity == contract.COMPLAINT_SEVERITY_S1
    with pytest.raises(Refused) as refused:
        FEDERATION.complaint_category("NOBODY")
    assert refused.value.reason == Reason.REASON_COMPLAINT_CATEGORY_UNKNOWN


def test_a_cause_that_is_not_there_is_refused_with_the_nearest_and_without_a_list_any_is_taken() -> None:
    FEDERATION.require_resolution_cause("billing-error")
    with pytest.raises(Refused) as refused:
        FEDERATION.require_resolution_cause("billing-eror")
    assert refused.value.reason == Reason.REASON_RESOLUTION_CAUSE_UNKNOWN
    assert refused.value.parameters["nearest"].split(", ")[0] == "billing-error"
    without = Configuration()
    without.CopyFrom(SHIPPED)
    del without.resolution_causes[:]
    Federation(1, without).require_resolution_cause("billing-eror")


def test_the_causes_of_faults_and_those_of_every_example_are_in_the_shipped_data() -> None:
    shipped = {each.code for each in SHIPPED.resolution_causes}
    of_faults = [each.removeprefix("FAULT_CAUSE_").lower().replace("_", "-") for each in FaultCause.keys()[1:]]
    root = Path(__file__).parents[2]
    table = yaml.safe_load((root / "deploy/import/old-complaints.yaml").read_text("utf-8"))
    wanted = {*of_faults, *table["complaint"]["cause_code"]["table"].values()}
    example = re.compile(r'(?:complaints propose \S+ |cause_code="|list \S+ --cause )([a-z-]+)')
    shown = (*(root / "docs/tutorial").glob("*.md"), *(root / "deploy/demo").glob("*.py"))
    for path in (*shown, *(root / "region_node/cli").rglob("*.py")):
        wanted.update(example.findall(path.read_text("utf-8")))
    assert {"billing-error", "roaming-misread", "cable"} <= wanted
    assert wanted <= shipped


def test_a_difference_of_words_is_told_by_category_and_word() -> None:
    changed = Configuration()
    changed.CopyFrom(SHIPPED)
    word("新词", 4)(changed)
    assert difference(SHIPPED, changed) == [
        Change("complaint_words.categories[SVC_ATTITUDE].words[新词].rhetoric", None, "false"),
        Change("complaint_words.categories[SVC_ATTITUDE].words[新词].text", None, "新词"),
        Change("complaint_words.categories[SVC_ATTITUDE].words[新词].weight", None, "4"),
    ]
