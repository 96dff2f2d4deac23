"""The federation configuration as YAML files."""

from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.federation.v1 import configuration_pb2 as contract
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.types.v1.types_pb2 import Applicant, LocalizedText, Money
from gateway.federation.files import ConfigurationError, dump, load

SHIPPED = Path(__file__).parents[2] / "deploy" / "federation"


def write(directory: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")
    return directory


def problems_of(directory: Path, files: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        load(write(directory, files))
    return refused.value.problems


def test_the_files_of_a_directory_make_one_configuration(tmp_path: Path) -> None:
    configuration = load(
        write(
            tmp_path,
            {
                "a.yaml": "federation: demo.example\nregions:\n  - id: sichuan\n",
                "b.yaml": "regions: [id: henan]\nnumber_plan:\n  prefixes:\n    - {region: henan, prefixes: [+86371]}",
                "c.yaml": "number_plan:\n  prefixes:\n    - {region: sichuan, prefixes: [+8628]}",
                "notes.txt": "not: [read",
            },
        )
    )
    assert configuration.federation == "demo.example"
    assert [region.id for region in configuration.regions] == ["sichuan", "henan"]
    assert [list(owned.prefixes) for owned in configuration.number_plan.prefixes] == [["+86371"], ["+8628"]]


def test_values_are_read_by_the_contract_and_not_guessed(tmp_path: Path) -> None:
    text = """
        regions: [{id: no, currency: 010}]
        number_plan: {prefixes: [{region: yes, prefixes: [+8628, 0x10, 1_000]}]}
        businesses:
          - code: NULL
            limit: {duration: 1.5s, verified: true}
            steps: [STEP_FULFIL]
        plans: [{monthly_rent: {minor_units: 5900}}]
        calendars: [{year: 2026, holidays: [2026-01-01]}]
    """
    configuration = load(write(tmp_path, {"all.yaml": text}))
    assert configuration == Configuration(
        regions=[contract.Region(id="no", currency="010")],
        number_plan=contract.NumberPlan(
            prefixes=[contract.PrefixRange(region="yes", prefixes=["+8628", "0x10", "1_000"])]
        ),
        businesses=[
            contract.Business(
                code="NULL",
                limit=contract.TimeLimit(duration=Duration(seconds=1, nanos=500_000_000), verified=True),
                steps=[contract.STEP_FULFIL],
            )
        ],
        plans=[contract.Plan(monthly_rent=Money(minor_units=5900))],
        calendars=[contract.Calendar(year=2026, holidays=["2026-01-01"])],
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("regions:\n  - id: a\n    colour: red\n", "f.yaml:3: regions[0].colour: unknown key; known are id, name"),
        ("region: []\n", "f.yaml:1: region: unknown key"),
        ("calendars:\n  - timeZone: x\n", "f.yaml:2: calendars[0].timeZone: unknown key"),
        ("? [a]\n: b\n", "f.yaml:1: ?: unknown key"),
        ("regions:\n  - id: a\n    id: b\n", "f.yaml:3: regions[0].id: the key stands here twice"),
        ("regions: []\nplans: []\nregions: []\n", "f.yaml:3: regions: the key stands here twice"),
        ("regions: sichuan\n", "f.yaml:1: regions: must be a list"),
        ("regions:\n", "f.yaml:1: regions: must be a list"),
        ("regions:\n  - sichuan\n", "f.yaml:2: regions[0]: must be a mapping"),
        ("- regions\n", "f.yaml:1: the file: must be a mapping"),
        ("regions:\n  - id: [a]\n", "f.yaml:2: regions[0].id: must be a single value"),
        ("businesses:\n  - mode: DIRECT\n", "businesses[0].mode: 'DIRECT' is not one of MODE_DIRECT, MODE_ONLINE"),
        ("businesses:\n  - steps: [STEP_FULFIL, 4]\n", "businesses[0].steps[1]: '4' is not one of STEP_REVIEW"),
        ("businesses:\n  - answer_within: 72h\n", "businesses[0].answer_within: '72h' is not a duration in seconds"),
        ("businesses:\n  - limit: {verified: yes}\n", "businesses[0].limit.verified: 'yes' is not true or false"),
        (
            "businesses:\n  - limit: {duration: 1s, working_days: 2}\n",
            "f.yaml:2: businesses[0].limit: only one of duration, working_days may stand here",
        ),
        ("calendars:\n  - year: -1\n", "f.yaml:2: calendars[0].year: '-1' is not a whole number"),
        ("calendars:\n  - year: 2026.5\n", "calendars[0].year: '2026.5' is not a whole number"),
        ("calendars:\n  - year: true\n", "calendars[0].year: 'true' is not a whole number"),
        ("regions: [\n  {id: a}\n", "f.yaml:3: is not YAML"),
        ("regions:\n  - id: a\n name: b\n", "f.yaml:3: is not YAML"),
        ("regions:\n\t- id: a\n", "f.yaml:2: is not YAML"),
        ("regions: *nowhere\n", "f.yaml:1: is not YAML: found undefined alias"),
        ("federation: a\n---\nfederation: b\n", "is not YAML: but found another document"),
        ("federation: \x07\n", "f.yaml: is not YAML"),
        ("", "f.yaml: is empty"),
        ("# nothing\n", "f.yaml: is empty"),
    ],
)
def test_a_problem_is_told_with_file_line_and_key(tmp_path: Path, text: str, problem: str) -> None:
    told = problems_of(tmp_path, {"f.yaml": text})
    assert len(told) == 1
    assert told[0].startswith("f.yaml")
    assert problem in told[0]


def test_all_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    told = problems_of(
        tmp_path,
        {
            "a.yaml": "federation: a\nregions:\n  - {id: x, colour: red}\n  - {id: y, size: big}\n",
            "b.yaml": "businesses:\n  - {mode: FAST, reach: FAR}\n",
            "c.yaml": "regions: ]",
        },
    )
    assert [problem.split(": ")[0] for problem in told] == ["a.yaml:3", "a.yaml:4", "b.yaml:2", "b.yaml:2", "c.yaml:1"]


def test_the_federation_is_named_in_one_file_only(tmp_path: Path) -> None:
    told = problems_of(tmp_path, {"a.yaml": "federation: a\n", "b.yaml": "federation: b\n"})
    assert told == ["b.yaml: federation: already set in a.yaml"]


def test_a_directory_without_files_is_a_problem(tmp_path: Path) -> None:
    assert problems_of(tmp_path, {}) == [f"{tmp_path}: there is no *.yaml file"]
    assert "must end in .yaml" in problems_of(tmp_path, {"regions.yml": "regions: []"})[1]
    with pytest.raises(ConfigurationError, match=r"no \*\.yaml file"):
        load(tmp_path / "missing")


def test_a_file_that_is_no_text_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_bytes(b"federation: \xff\xfe")
    (tmp_path / "g.yaml").mkdir()
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path)
    assert refused.value.problems[0] == "f.yaml: is not UTF-8 at byte 12"
    assert refused.value.problems[1].startswith("g.yaml: cannot be read: ")


def test_the_shipped_files_survive_being_dumped_and_loaded(tmp_path: Path) -> None:
    shipped = load(SHIPPED)
    texts = dump(shipped)
    assert texts.keys() <= {path.name for path in SHIPPED.glob("*.yaml")}
    assert load(write(tmp_path, texts)) == shipped


@pytest.mark.parametrize("text", ["a\x85b", "a\u2028 b", "a\r\nb\n", "\t", "\ufeff", "\x00", " a\n\n b "])
def test_odd_spaces_and_line_ends_survive_being_dumped(tmp_path: Path, text: str) -> None:
    configuration = Configuration(federation=text, regions=[contract.Region(id=text)])
    assert load(write(tmp_path, dump(configuration))) == configuration


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["", "null", "~", "yes", "+8628", "2026-01-01", "- a", "a: b", "# x", "|", "'", '"', "\n", " a ", "1e3", "=", "<<"]
)
LOCALIZED = st.builds(LocalizedText, zh_cn=TEXTS, en=TEXTS)


@st.composite
def configurations(draw: st.DrawFn) -> Configuration:
    some = st.lists(TEXTS, max_size=3)
    durations = st.integers(-(10**9), 10**9).map(lambda seconds: Duration(seconds=seconds))
    limits = st.builds(contract.TimeLimit, duration=durations, source=TEXTS) | st.builds(
        contract.TimeLimit, working_days=st.integers(0, 2**32 - 1), verified=st.booleans()
    )
    documents = st.builds(contract.DocumentRequirement, applicant=st.sampled_from(Applicant.values()), all_of=some)
    businesses = st.builds(
        contract.Business,
        code=TEXTS,
        name=LOCALIZED,
        mode=st.sampled_from(contract.Mode.values()),
        steps=st.lists(st.sampled_from(contract.Step.values()), max_size=3),
        documents=st.lists(documents, max_size=2),
        limit=st.none() | limits,
        guide=st.lists(LOCALIZED, max_size=2),
    )
    rents = st.builds(Money, minor_units=st.integers(-(2**63), 2**63 - 1), currency=TEXTS)
    plans = st.builds(contract.Plan, id=TEXTS, monthly_rent=st.none() | rents)
    ranges = st.builds(contract.PrefixRange, region=TEXTS, prefixes=some)
    return Configuration(
        federation=draw(TEXTS),
        regions=draw(st.lists(st.builds(contract.Region, id=TEXTS, name=LOCALIZED), max_size=2)),
        number_plan=draw(st.none() | st.builds(contract.NumberPlan, prefixes=st.lists(ranges, max_size=2))),
        businesses=draw(st.lists(businesses, max_size=2)),
        plans=draw(st.lists(plans, max_size=2)),
        calendars=draw(st.lists(st.builds(contract.Calendar, year=st.integers(0, 9999), holidays=some), max_size=2)),
    )


# The disk decides how long an example takes.
@given(configuration=configurations())
def test_whatever_is_dumped_loads_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, configuration: Configuration
) -> None:
    directory = tmp_path_factory.mktemp("dumped")
    assert load(write(directory, dump(configuration))) == configuration
