"""The rules for a federation configuration, the difference of two, and the view for look-ups."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.federation.v1 import configuration_pb2 as contract
from gateway.api.federation.v1.configuration_pb2 import Business, Configuration, DocumentRequirement
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.api.types.v1.types_pb2 import Applicant, LocalizedText, Money
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.federation.documents import documents_missing, parse_alternatives, required_lines
from gateway.federation.rules import Change, difference, problems
from tests.shipped import shipped_configuration

# The provinces of the Chinese mainland in GB/T 2260, with the area code of the capital.
PROVINCES = {
    "beijing": (11, "10"),
    "tianjin": (12, "22"),
    "hebei": (13, "311"),
    "shanxi": (14, "351"),
    "inner-mongolia": (15, "471"),
    "liaoning": (21, "24"),
    "jilin": (22, "431"),
    "heilongjiang": (23, "451"),
    "shanghai": (31, "21"),
    "jiangsu": (32, "25"),
    "zhejiang": (33, "571"),
    "anhui": (34, "551"),
    "fujian": (35, "591"),
    "jiangxi": (36, "791"),
    "shandong": (37, "531"),
    "henan": (41, "371"),
    "hubei": (42, "27"),
    "hunan": (43, "731"),
    "guangdong": (44, "20"),
    "guangxi": (45, "771"),
    "hainan": (46, "898"),
    "chongqing": (50, "23"),
    "sichuan": (51, "28"),
    "guizhou": (52, "851"),
    "yunnan": (53, "871"),
    "tibet": (54, "891"),
    "shaanxi": (61, "29"),
    "gansu": (62, "931"),
    "qinghai": (63, "971"),
    "ningxia": (64, "951"),
    "xinjiang": (65, "991"),
}


@pytest.fixture(scope="module", name="shipped")
def the_shipped_configuration() -> Configuration:
    return shipped_configuration()


@pytest.fixture(name="changed")
def a_copy_to_change(shipped: Configuration) -> Configuration:
    copy = Configuration()
    copy.CopyFrom(shipped)
    return copy


@pytest.fixture(scope="module", name="federation")
def shipped_federation(shipped: Configuration) -> Federation:
    return Federation(7, shipped)


def business(configuration: Configuration, code: str) -> Business:
    return next(each for each in configuration.businesses if each.code == code)


def suspension(configuration: Configuration) -> Business:
    return business(configuration, "SUSPEND")


# The shipped data.


@pytest.mark.clause("10.3(2)")
def test_the_shipped_configuration_has_no_problems(shipped: Configuration) -> None:
    assert problems(shipped) == []


def test_all_provinces_are_regions_with_mobile_and_fixed_numbers(federation: Federation) -> None:
    assert {region.id for region in federation.configuration.regions} == PROVINCES.keys()
    for region, (province, area) in PROVINCES.items():
        assert federation.number_plan.home_of(f"+86198{province}000001") == region
        assert federation.number_plan.home_of(f"+86{area}62345678") == region


def test_the_shipped_catalogue_offers_the_businesses(federation: Federation) -> None:
    codes = {each.code for each in federation.businesses}
    assert codes >= {"MNP_IN", "PAY", "PLAN_CHANGE", "QRY_BILL", "RESUME", "SUSPEND", "TERMINATE"}
    assert federation.business("MNP_IN").reach == contract.REACH_HOME
    assert federation.business("TERMINATE").mode == contract.MODE_PROXY
    assert list(federation.business("TERMINATE").steps) == [
        contract.STEP_REVIEW,
        contract.STEP_VERIFY,
        contract.STEP_CONFIRM,
        contract.STEP_FULFIL,
    ]


def test_a_shipped_figure_counts_as_verified_only_by_an_article_that_was_read(shipped: Configuration) -> None:
    read = re.compile(r"(Telecommunications Regulations|Henan|Chongqing) art\. \d+: ")
    limits = [each.limit for each in shipped.businesses]
    limits += [each.limit for business in shipped.businesses for each in business.regional_limits]
    values: list[contract.TimeLimit | contract.Figure] = [*limits]
    for policy in shipped.policies:
        values.append(policy.limit if policy.HasField("limit") else policy.figure)
        values += [each.limit if each.HasField("limit") else each.figure for each in policy.regional]
    assert [each.source for each in values if each.verified and not read.match(each.source)] == []
    assert [each.source for each in values if not each.verified and read.match(each.source)] == []


# Each rule, broken once.

Break = Callable[[Configuration], object]


def prefix(region: str, *prefixes: str) -> Break:
    return lambda c: c.number_plan.prefixes.add(region=region, prefixes=prefixes)


def exception(number: str, region: str = "henan") -> Break:
    return lambda c: c.number_plan.exceptions.add(number=number, region=region)


def suspend(**fields: object) -> Break:
    """Sets fields of SUSPEND; a list replaces the one that stands there."""

    def change(configuration: Configuration) -> None:
        found = suspension(configuration)
        for name in fields:
            found.ClearField(name)  # type: ignore[arg-type]
        found.MergeFrom(Business(**fields))  # type: ignore[arg-type]

    return change


def time_for_amount(configuration: Configuration) -> None:
    """The policy of an amount has a time."""
    policy = next(each for each in configuration.policies if each.name == "unreviewed-amount")
    policy.limit.CopyFrom(contract.TimeLimit(days=1, source="x"))
    policy.ClearField("stricter")


def ways(
    *numbers: int,
    source: str = "x",
    stricter: contract.Stricter.ValueType = contract.STRICTER_UNSPECIFIED,
    region: str = "",
) -> Break:
    """The ways of proof of a consent."""

    def change(configuration: Configuration) -> None:
        policy = next(each for each in configuration.policies if each.name == "proof-of-consent")
        policy.ClearField("ways")
        for number in numbers:
            policy.ways.ways.add(way=contract.ProofWay.ValueType(number), source=source)
        policy.ways.SetInParent()
        policy.stricter = stricter
        if region:
            policy.regional.add(region=region)

    return change


def documents(*lines: str, applicant: Applicant.ValueType = Applicant.APPLICANT_HOLDER) -> Break:
    return suspend(documents=[DocumentRequirement(applicant=applicant, all_of=lines)])


def calendar(**fields: object) -> Break:
    return lambda c: c.calendars.add(**fields)


def plan(plan_id: str = "sichuan-7", region: str = "sichuan", rent: int = 700, currency: str = "CNY") -> Break:
    name = LocalizedText(zh_cn="七", en="Seven")
    money = Money(minor_units=rent, currency=currency)
    return lambda c: c.plans.add(id=plan_id, region=region, name=name, monthly_rent=money)


TEXT = LocalizedText(zh_cn="文", en="text")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda c: c.ClearField("federation"), "federation: '' is not a domain name"),
        (lambda c: setattr(c, "federation", "Cross Region"), "federation: 'Cross Region' is not a domain name"),
        (lambda c: c.ClearField("businesses"), "businesses: there is none"),
        (lambda c: c.regions.append(c.regions[0]), "regions[beijing]: stands here twice"),
        (lambda c: setattr(c.regions[0], "id", "Bei_Jing"), "regions[Bei_Jing].id: use lower-case"),
        (lambda c: c.regions[0].name.ClearField("en"), "regions[beijing].name.en: the text is missing"),
        (lambda c: setattr(c.regions[0].name, "zh_cn", " "), "regions[beijing].name.zh_cn: the text is missing"),
        (lambda c: setattr(c.regions[0], "time_zone", "Asia/Peking"), "'Asia/Peking' is not a known IANA time zone"),
        (lambda c: setattr(c.regions[0], "time_zone", "Asia"), "'Asia' is not a known IANA time zone"),
        (lambda c: setattr(c.regions[0], "time_zone", "../passwd"), "'../passwd' is not a known IANA time zone"),
        (lambda c: c.regions[0].ClearField("time_zone"), "regions[beijing].time_zone: ''"),
        (lambda c: setattr(c.regions[0], "currency", "yuan"), "regions[beijing].currency: 'yuan' is not"),
        (prefix("atlantis", "+8699"), "number_plan.prefixes: unknown region 'atlantis'"),
        (prefix("henan", "+8628"), "number_plan.prefixes[+8628]: claimed by sichuan and by henan"),
        (prefix("sichuan", "+8628"), "number_plan.prefixes[+8628]: claimed by sichuan and by sichuan"),
        (prefix("henan", "8637"), "number_plan.prefixes[8637]: not an E.164 prefix"),
        (prefix("henan", "+86 37"), "number_plan.prefixes[+86 37]: not an E.164 prefix"),
        (prefix("henan", "+"), "number_plan.prefixes[+]: not an E.164 prefix"),
        (exception("+8619844999999"), "number_plan.exceptions[+8619844999999]: stands here twice"),
        (exception("13812345678"), "exceptions[13812345678].number: not a full E.164 number"),
        (exception("+86138"), "exceptions[+86138].number: not a full E.164 number"),
        (exception("+8613812345678", "atlantis"), "exceptions[+8613812345678].region: unknown region 'atlantis'"),
        (lambda c: c.businesses.append(business(c, "QRY_BILL")), "businesses[QRY_BILL]: stands here twice"),
        (suspend(code="suspend"), "businesses[suspend].code: use capital letters"),
        (suspend(name=LocalizedText(zh_cn="停机")), "businesses[SUSPEND].name.en: the text is missing"),
        (suspend(mode=0), "businesses[SUSPEND].mode: is missing"),
        (suspend(mode=99), "businesses[SUSPEND].mode: 99 is not known"),
        (suspend(reach=0), "businesses[SUSPEND].reach: is missing"),
        (suspend(reach=contract.REACH_HOME), "businesses[SUSPEND].reach_note.zh_cn: the text is missing"),
        (suspend(reach_note=TEXT), "businesses[SUSPEND].reach_note: only a business of the home region has one"),
        (suspend(steps=[]), "businesses[SUSPEND].steps: STEP_FULFIL must be the last"),
        (suspend(steps=[5, 2]), "businesses[SUSPEND].steps: STEP_FULFIL must be the last"),
        (suspend(steps=[7, 5]), "businesses[SUSPEND].policies: lacks cooling-off"),
        (
            suspend(policies=["proof-of-holder", "proof-of-consent"]),
            "SUSPEND].policies: proof-of-holder, proof-of-consent",
        ),
        (ways(), "policies[proof-of-consent].ways.ways: lacks PROOF_WAY_COOLING_OFF"),
        (ways(4, 4), "policies[proof-of-consent].ways.ways[PROOF_WAY_COOLING_OFF]: stands here twice"),
        (ways(4, 0), "policies[proof-of-consent].ways.ways: is missing"),
        (ways(4, source=" "), "policies[proof-of-consent].ways.ways[PROOF_WAY_COOLING_OFF].source: is missing"),
        (ways(4, stricter=contract.STRICTER_LOWER), "policies[proof-of-consent].stricter: regions have no ways"),
        (ways(4, region="henan"), "policies[proof-of-consent].regional[henan]: a region has no ways of its own"),
        (time_for_amount, "businesses[PAY].policies: unreviewed-amount needs a figure in UNIT_MINOR_UNITS"),
        (suspend(steps=[2, 2, 5]), "businesses[SUSPEND].steps[STEP_CONFIRM]: stands here twice"),
        (suspend(steps=[0, 5]), "businesses[SUSPEND].steps: is missing"),
        (suspend(code="QRY_USE"), "businesses[QRY_USE].steps: a query has none"),
        (suspend(preconditions=[1, 1]), "preconditions[PRECONDITION_LINE_ACTIVE]: stands here twice"),
        (suspend(preconditions=[77]), "businesses[SUSPEND].preconditions: 77 is not known"),
        (suspend(documents=[]), "businesses[SUSPEND].documents: no applicant is listed"),
        (documents(applicant=Applicant.APPLICANT_UNSPECIFIED), "businesses[SUSPEND].documents: is missing"),
        (
            suspend(documents=[DocumentRequirement(applicant=Applicant.APPLICANT_AGENT)] * 2),
            "businesses[SUSPEND].documents[APPLICANT_AGENT]: stands here twice",
        ),
        (
            documents("PWD", applicant=Applicant.APPLICANT_REGION),
            "businesses[SUSPEND].documents: what a region's node orders is ordered by nobody else",
        ),
        (documents("PASSPORT"), "documents[APPLICANT_HOLDER].all_of: unknown material PASSPORT"),
        (documents("PWD+STAMP|OTP"), "documents[APPLICANT_HOLDER].all_of: unknown material STAMP"),
        (documents("PWD|"), "all_of: 'PWD|' is not of the form CODE|CODE+CODE"),
        (documents("PWD", "PWD"), "documents[APPLICANT_HOLDER].all_of[PWD]: stands here twice"),
        (lambda c: suspension(c).characteristics.add(name="end"), "characteristics[end]: stands here twice"),
        (
            lambda c: suspension(c).characteristics.add(name="the end"),
            "characteristics[the end].name: use lower",
        ),
        (lambda c: suspension(c).characteristics.add(name="x"), "characteristics[x].value_type: is missing"),
        (lambda c: suspension(c).characteristics.add(name="x"), "characteristics[x].description.en: the text"),
        (suspend(limit=contract.TimeLimit(source="x")), "limit: says neither a duration nor days nor working days"),
        (suspend(limit=contract.TimeLimit(working_days=0, source="x")), "limit.working_days: must be 1 to 366"),
        (suspend(limit=contract.TimeLimit(working_days=2**32 - 1, source="x")), "working_days: must be 1 to 366"),
        (lambda c: suspension(c).limit.working_time.FromSeconds(0), "limit.working_time: must be whole seconds"),
        (lambda c: suspension(c).limit.working_time.FromSeconds(745 * 3600), "working_time: is longer than 744 hours"),
        (
            lambda c: c.regions[0].working_hours.add(working_days=True, opens="17:00", closes="09:00"),
            "working_hours[0].closes: must be later than it opens",
        ),
        (suspend(limit=contract.TimeLimit(working_days=1)), "businesses[SUSPEND].limit.source: is missing"),
        (lambda c: suspension(c).limit.duration.FromSeconds(0), "limit.duration: must be whole seconds"),
        (lambda c: suspension(c).limit.duration.FromSeconds(10**9), "limit.duration: must be whole seconds"),
        (suspend(tariff=LocalizedText(en="free")), "businesses[SUSPEND].tariff.zh_cn: the text is missing"),
        (suspend(guide=[]), "businesses[SUSPEND].guide: there is no step"),
        (suspend(guide=[TEXT, LocalizedText(zh_cn="文")]), "businesses[SUSPEND].guide[1].en: the text is missing"),
        (lambda c: suspension(c).ClearField("answer_within"), "businesses[SUSPEND].answer_within: must be"),
        (lambda c: suspension(c).executable_within.FromSeconds(-5), "SUSPEND].executable_within: must be"),
        (
            lambda c: suspension(c).document_freshness.FromMilliseconds(1500),
            "SUSPEND].document_freshness: must",
        ),
        (lambda c: c.materials.append(c.materials[0]), "materials[ID_ORIG]: stands here twice"),
        (lambda c: c.materials.add(code="a b", name=TEXT), "materials[a b].code: use capital letters"),
        (lambda c: c.materials.add(code="NEW"), "materials[NEW].name.zh_cn: the text is missing"),
        (plan(plan_id="sichuan-59"), "plans[sichuan-59]: stands here twice"),
        (plan(plan_id="Sichuan 7"), "plans[Sichuan 7].id: use lower-case letters"),
        (plan(region="atlantis"), "plans[sichuan-7].region: unknown region 'atlantis'"),
        (plan(rent=0), "plans[sichuan-7].monthly_rent.minor_units: must be positive"),
        (plan(rent=-1), "plans[sichuan-7].monthly_rent.minor_units: must be positive"),
        (plan(currency="USD"), "plans[sichuan-7].monthly_rent.currency: the region's accounts are in CNY"),
        (calendar(year=2026), "calendars[2026]: stands here twice"),
        (calendar(year=2027, holidays=["2026-01-01"]), "calendars[2027].holidays[2026-01-01]: not in 2027"),
        (calendar(year=2027, holidays=["20270101"]), "holidays[20270101]: not a date of the form"),
        (calendar(year=2027, holidays=["2027-02-29"]), "holidays[2027-02-29]: not a date of the form"),
        (calendar(year=2027, makeup_workdays=["2027-01-04"]), "makeup_workdays[2027-01-04]: not on a weekend"),
        (
            calendar(year=2027, holidays=["2027-01-02"], makeup_workdays=["2027-01-02"]),
            "calendars[2027][2027-01-02]: stands here twice",
        ),
    ],
)
def test_a_broken_rule_is_told_with_its_path(changed: Configuration, change: Break, problem: str) -> None:
    change(changed)
    assert any(problem in told for told in problems(changed)), problems(changed)


def test_an_empty_configuration_is_not_valid() -> None:
    assert [told.split(":")[0] for told in problems(Configuration())] == ["federation", "regions", "businesses"]


# Documents.

CODES = st.sampled_from(["ID_ORIG", "PWD", "OTP", "SIM", "FACE"])
LINES = st.lists(st.lists(CODES, min_size=1, max_size=3, unique=True), min_size=1, max_size=3)


def test_a_line_lists_alternatives_of_codes() -> None:
    assert parse_alternatives("ID_ORIG|PWD+OTP") == (("ID_ORIG",), ("PWD", "OTP"))
    assert parse_alternatives("SIM") == (("SIM",),)


@pytest.mark.parametrize("line", ["", "|", "PWD|", "+PWD", "PWD++OTP", "pwd", "PWD + OTP", "(PWD)", "PWD+PWD"])
def test_a_line_of_another_form_is_an_error(line: str) -> None:
    with pytest.raises(ValueError, match="not of the form"):
        parse_alternatives(line)


@given(LINES)
def test_a_line_reads_back_as_it_was_written(line: list[list[str]]) -> None:
    text = "|".join("+".join(alternative) for alternative in line)
    assert parse_alternatives(text) == tuple(map(tuple, line))


@pytest.mark.parametrize(
    ("codes", "missing"),
    [
        (["ID_ORIG", "SIM"], []),
        (["PWD", "OTP", "SIM"], []),
        (["PWD", "SIM"], ["ID_ORIG|PWD+OTP"]),
        (["OTP", "SIM", "FACE"], ["ID_ORIG|PWD+OTP"]),
        (["ID_ORIG"], ["SIM"]),
        ([], ["ID_ORIG|PWD+OTP", "SIM"]),
    ],
)
def test_every_line_needs_one_whole_alternative(codes: list[str], missing: list[str]) -> None:
    lines = required_lines(DocumentRequirement(all_of=["ID_ORIG|PWD+OTP", "SIM"]))
    assert [line.written for line in documents_missing(lines, set(codes))] == missing


@given(st.lists(LINES, max_size=3), st.frozensets(CODES), CODES)
def test_one_more_document_never_makes_more_lines_missing(
    lines: list[list[list[str]]], codes: frozenset[str], more: str
) -> None:
    required = required_lines(DocumentRequirement(all_of=["|".join("+".join(each) for each in line) for line in lines]))
    assert set(documents_missing(required, codes | {more})) <= set(documents_missing(required, codes))


# Differences.


def test_a_configuration_does_not_differ_from_itself(shipped: Configuration) -> None:
    assert difference(shipped, shipped) == []


def test_the_order_of_regions_businesses_and_prefixes_makes_no_difference(
    shipped: Configuration, changed: Configuration
) -> None:
    changed.regions.sort(key=lambda region: region.id, reverse=True)
    changed.businesses.reverse()
    changed.calendars[0].holidays.reverse()
    for owned in changed.number_plan.prefixes:
        owned.prefixes.reverse()
    changed.number_plan.prefixes.reverse()
    assert difference(shipped, changed) == []


def test_a_difference_is_told_by_path(shipped: Configuration, changed: Configuration) -> None:
    changed.regions[0].currency = "USD"
    next(each for each in changed.calendars if each.year == 2025).holidays.remove("2025-10-08")
    termination = business(changed, "TERMINATE")
    termination.limit.verified = True
    termination.limit.duration.FromSeconds(7200)
    termination.steps.remove(contract.STEP_CONFIRM)
    termination.documents[0].all_of.append("PWD")
    assert difference(shipped, changed) == [
        Change(
            "businesses[TERMINATE].documents[APPLICANT_HOLDER].all_of",
            "ID_ORIG, FACE, SIM, REFUND_ACC",
            "ID_ORIG, FACE, SIM, REFUND_ACC, PWD",
        ),
        Change("businesses[TERMINATE].limit.duration", None, "2:00:00"),
        Change("businesses[TERMINATE].limit.verified", "false", "true"),
        Change("businesses[TERMINATE].limit.working_days", "3", None),
        Change(
            "businesses[TERMINATE].steps",
            "STEP_REVIEW, STEP_VERIFY, STEP_CONFIRM, STEP_FULFIL",
            "STEP_REVIEW, STEP_VERIFY, STEP_FULFIL",
        ),
        Change("calendars[2025].holidays[2025-10-08]", "listed", None),
        Change("regions[beijing].currency", "CNY", "USD"),
    ]


def test_a_message_that_is_gone_takes_its_values_with_it(shipped: Configuration, changed: Configuration) -> None:
    business(changed, "TERMINATE").ClearField("limit")
    assert {(each.path.rpartition(".")[2], each.new) for each in difference(shipped, changed)} == {
        ("source", None),
        ("verified", None),
        ("working_days", None),
    }


def test_a_prefix_that_changes_hands_is_one_difference(shipped: Configuration, changed: Configuration) -> None:
    sichuan = next(owned for owned in changed.number_plan.prefixes if owned.region == "sichuan")
    sichuan.prefixes.remove("+8628")
    changed.number_plan.prefixes.add(region="henan", prefixes=["+8628", "+8629999"])
    assert difference(shipped, changed) == [
        Change("number_plan.prefixes[+8628]", "sichuan", "henan"),
        Change("number_plan.prefixes[+8629999]", None, "henan"),
    ]


@given(st.data())
def test_every_change_of_a_text_is_seen_and_undone_by_its_reverse(data: st.DataObject) -> None:
    old = Configuration(regions=[contract.Region(id=each, currency="CNY") for each in ("a", "b", "c")])
    new = Configuration()
    new.CopyFrom(old)
    region = data.draw(st.sampled_from(new.regions))
    region.currency = data.draw(st.text("ABCNY", max_size=3))
    forth, back = difference(old, new), difference(new, old)
    assert bool(forth) == (region.currency != "CNY")
    assert [Change(change.path, change.new, change.old) for change in back] == forth


# The view for look-ups.


def test_what_is_unknown_is_refused_with_its_reason(federation: Federation) -> None:
    for look_up, reason in (
        (federation.region, Reason.REASON_REGION_UNKNOWN),
        (federation.business, Reason.REASON_BUSINESS_UNKNOWN),
        (federation.plan, Reason.REASON_PLAN_UNKNOWN),
    ):
        with pytest.raises(Refused) as refused:
            look_up("atlantis")
        assert refused.value.reason == reason
        assert "atlantis" in refused.value.parameters.values()


def test_a_view_does_not_follow_the_message_that_it_was_built_from(changed: Configuration) -> None:
    federation = Federation(1, changed)
    changed.regions[0].currency = "USD"
    changed.number_plan.Clear()
    assert federation.region("beijing").currency == "CNY"
    assert federation.number_plan.home_of("+8619851000001") == "sichuan"


def test_plans_belong_to_their_region(federation: Federation) -> None:
    assert {each.id for each in federation.plans_of("sichuan")} >= {"sichuan-29", "sichuan-59", "sichuan-99"}
    assert {each.region for each in federation.plans_of("sichuan")} == {"sichuan"}
    assert federation.plans_of("beijing") == ()
    assert federation.plan("sichuan-59").monthly_rent == Money(minor_units=5900, currency="CNY")


def test_a_guide_names_each_material_once(federation: Federation) -> None:
    named = [material.code for material in federation.materials_of(federation.business("QRY_BILL"))]
    assert named == ["ID_ORIG", "PWD", "OTP", "HANDLER_ID", "SEAL_LETTER"]
    assert federation.materials_of(federation.business("PAY")) == ()


def test_a_promise_counts_the_home_region_s_working_days(federation: Federation) -> None:
    start = datetime(2026, 2, 10, 3, 0, tzinfo=UTC)
    promised = federation.promised(federation.business("TERMINATE"), start, ("guangdong", "sichuan"))
    assert promised == datetime(2026, 2, 13, 16, 0, tzinfo=UTC)
    with pytest.raises(Refused):
        federation.promised(federation.business("TERMINATE"), start, ("atlantis", "atlantis"))


def test_a_promise_in_working_time_runs_while_the_region_s_departments_are_open(changed: Configuration) -> None:
    suspension(changed).limit.working_time.FromSeconds(10 * 3600)
    for region in changed.regions:
        del region.working_hours[:]
        if region.id == "sichuan":
            region.working_hours.add(working_days=True, opens="09:00", closes="17:00")
    assert problems(changed) == []
    federation, start = Federation(1, changed), datetime(2026, 2, 10, 3, 0, tzinfo=UTC)
    promises = {
        region: federation.promised(federation.business("SUSPEND"), start, ("guangdong", region))
        for region in ("sichuan", "guangdong")
    }
    assert promises["sichuan"] == datetime(2026, 2, 11, 5, 0, tzinfo=UTC)
    assert promises["guangdong"] == datetime(2026, 2, 10, 13, 0, tzinfo=UTC)
