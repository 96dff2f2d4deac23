"""Settings from a file, the environment and flags: precedence, errors, and their messages."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.settings import CoordinatorSettings
from gateway.settings import Page, SettingsError, Sources, load_page
from gateway.settings.entries import Entry, entries_of
from region_node.node.settings import RegionSettings
from tests.unit.test_settings import House, Lamp

PREFIX = "HOUSE_"
NEEDED = {
    "HOUSE_NAME": "阳光",
    "HOUSE_FLOORS": "2",
    "HOUSE_HEATED": "true",
    "HOUSE_PLAN": "plans/one.pdf",
    "HOUSE_LAMP__WATTS": "40",
}


def page(environment: Mapping[str, str], flags: Sequence[str] = (), file: Path | None = None) -> Page[House]:
    return load_page(House, Sources(file, PREFIX, environment, flags))


def problems(environment: Mapping[str, str], flags: Sequence[str] = (), file: Path | None = None) -> list[str]:
    with pytest.raises(SettingsError) as error:
        page(environment, flags, file)
    return error.value.problems


def text_of(value: object) -> str:
    """A value as the environment and flags give it."""
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def toml_of(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(toml_of(each) for each in value) + "]"
    return text_of(value) if isinstance(value, bool | int | float) else f'"{value}"'


def variable(prefix: str, key: str) -> str:
    return prefix + key.upper().replace(".", "__")


ADDRESSES = st.builds("{}:{}".format, st.sampled_from(("127.0.0.1", "[::1]", "node.example")), st.integers(1, 65535))
PATHS = st.sampled_from(("/srv/one", "/srv/two", "/srv/three")).map(Path)
NUMBERS = st.integers(0, 99999)
VALUES: dict[str, st.SearchStrategy[object]] = {
    "federation": st.sampled_from(("one.example", "two.example")),
    "region": st.sampled_from(("sichuan", "guangdong", "henan")),
    "listen": ADDRESSES,
    "advertise": ADDRESSES,
    "coordinators": st.lists(ADDRESSES, min_size=1, max_size=3).map(tuple),
    "number": NUMBERS,
    "reflection": st.booleans(),
    "allow_unsigned_configuration": st.booleans(),
    "allow_unscoped_operators": st.just(False),  # beside a file of them
    "log_format": st.sampled_from(("text", "json")),
    "web.listen": ADDRESSES,
    "web.open_apis": st.just(True),  # beside web.oauth
    "web.console": st.just(True),  # beside web.oidc
    "web.oidc.issuer": st.sampled_from(("https://id.example", "https://other.example")),
    "web.oidc.client_id": st.sampled_from(("console", "pages")),
    "web.oidc.authorization_endpoint": st.sampled_from(("https://id.example/one", "https://id.example:1/two")),
    "web.oidc.token_endpoint": st.sampled_from(("https://id.example/three", "https://id.example/four?five=6")),
    "web.oidc.role": st.sampled_from(("staff", "clerks")),
    "web.oidc.role_claim": st.sampled_from(("groups", "roles")),
    "web.oidc.name_claim": st.sampled_from(("sub", "preferred_username")),
    "web.oauth.issuer": st.sampled_from(("https://id.example", "https://other.example")),
    "web.oauth.audience": st.sampled_from(("systems", "https://systems.example")),
    "web.oauth.name_claim": st.sampled_from(("client_id", "azp")),
    "listeners.networks": st.lists(st.sampled_from(("10.20.0.0/16", "fd00::/8")), min_size=1).map(tuple),
    "enrolment.listen": st.sampled_from(("joining.example:1", "joining.example:2")),
    "renew_certificate": st.booleans(),
    "identity_provider.issuer": st.sampled_from(("https://id.example", "https://other.example")),
    "identity_provider.audience": st.sampled_from(("https://sichuan.example", "node")),
    "identity_provider.name_claim": st.sampled_from(("sub", "preferred_username")),
    "backup.repository": st.sampled_from(("/srv/backups", "sftp:backup.example:/srv")),
    "backup.keep_hourly": st.integers(1, 100),
    "backup.keep_daily": st.integers(1, 100),
    "backup.keep_monthly": st.integers(1, 100),
    "backup.archive_mebibytes": st.integers(1, 100),
    "backup.point_in_time": st.booleans(),
    "staff_id": st.sampled_from(("4711", "wang")),
    "heartbeat_interval": st.floats(0.125, 4),
    "lease": st.floats(8, 100),
    "postgresql.conninfo": st.sampled_from(("host=one", "postgresql://two/three")),
    "postgresql.readers": st.integers(1, 64),
    "providers.fulfilment.endpoint": ADDRESSES,
    "providers.fulfilment.name": st.sampled_from(("network", "lines")),
    "providers.fulfilment.businesses": st.lists(st.sampled_from(("ROAMING", "RENEW")), min_size=1).map(tuple),
    "providers.notification.endpoint": ADDRESSES,
    "providers.notification.name": st.sampled_from(("messaging", "texts")),
    "escalations.webhook.url": st.sampled_from(("https://duty.example/one", "http://127.0.0.1:8080/two")),
    "escalations.webhook.lowest_level": st.integers(1, 5),
    "etcd.endpoints": st.lists(ADDRESSES, min_size=1, max_size=3, unique=True).map(tuple),
    "etcd.credentials.authority": st.sampled_from(("/etcd/one", "/etcd/two")).map(Path),
}


def settings_of(kind: type) -> list[Entry]:
    return [setting for entry in entries_of(kind) for setting in entry.settings()]


def value_at(settings: object, key: str) -> object:
    for name in key.split("."):
        settings = getattr(settings, name)
    return settings


@pytest.mark.parametrize("kind", [RegionSettings, CoordinatorSettings])
@given(data=st.data())
def test_of_each_setting_the_flag_wins_over_the_environment_and_that_over_the_file(
    kind: type[RegionSettings | CoordinatorSettings],
    data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    tables: dict[str, list[str]] = {}
    environment: dict[str, str] = {}
    flags: list[str] = []
    expected: dict[str, tuple[object, str]] = {}
    file = tmp_path_factory.getbasetemp() / f"{kind.__name__}.toml"
    for setting in settings_of(kind):
        values = VALUES.get(setting.key, PATHS)
        needed = setting.required or setting.key in {"advertise", "number", "operators", "web.open_apis", "web.console"}
        given_by = data.draw(st.sets(st.sampled_from(("file", "environment", "flag")), min_size=int(needed)))
        if "file" in given_by:
            value = data.draw(values)
            table, _, name = setting.key.rpartition(".")
            tables.setdefault(table, []).append(f"{name} = {toml_of(value)}")
            expected[setting.key] = value, str(file)
        if "environment" in given_by:
            value = data.draw(values)
            name = variable("PAGE_", setting.key)
            environment[name] = text_of(value)
            expected[setting.key] = value, name
        if "flag" in given_by:
            value = data.draw(values)
            flags.append(f"{setting.key}={text_of(value)}")
            expected[setting.key] = value, "--set"
    lines = tables.pop("", []) + [line for name, inside in tables.items() for line in (f"[{name}]", *inside)]
    file.write_text("\n".join(lines), encoding="utf-8")
    sources = Sources(file, "PAGE_", environment, data.draw(st.permutations(flags)))
    found = load_page(kind, sources)
    assert found.origins == {key: source for key, (_, source) in expected.items()}
    for setting in settings_of(kind):
        value, _ = expected.get(setting.key, (setting.default, ""))
        assert value_at(found.settings, setting.key) == value


def test_the_environment_alone_is_enough(tmp_path: Path) -> None:
    found = page(NEEDED)
    assert found.settings == House("阳光", 2, True, Path("plans/one.pdf"), Lamp(40.0))
    assert found.origins == {
        "name": "HOUSE_NAME",
        "floors": "HOUSE_FLOORS",
        "heated": "HOUSE_HEATED",
        "plan": "HOUSE_PLAN",
        "lamp.watts": "HOUSE_LAMP__WATTS",
    }


def test_flags_alone_are_enough() -> None:
    flags = ["name=a=b", "floors=2", "heated=false", "plan=one.pdf", "lamp.watts=1e2"]
    assert page({}, flags).settings == House("a=b", 2, False, Path("one.pdf"), Lamp(100.0))


def test_a_table_may_be_given_in_part_by_each_source(tmp_path: Path) -> None:
    file = tmp_path / "house.toml"
    file.write_text('[lamp]\nwatts = 40\ncolour = "red"\n', encoding="utf-8")
    environment = {name: text for name, text in NEEDED.items() if "WATTS" not in name}
    assert page(environment, ["lamp.colour=blue"], file).settings.lamp == Lamp(40.0, "blue")
    assert page({**environment, "HOUSE_SPARE__WATTS": "5"}, ["spare.colour=red"], file).settings.spare == Lamp(5, "red")


def test_paths_are_relative_to_the_working_directory_except_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "house.toml"
    file.write_text('plan = "one.pdf"\ngarage = "garage"\n', encoding="utf-8")
    environment = {name: text for name, text in NEEDED.items() if name != "HOUSE_PLAN"}
    found = page(environment, ["garage=garage"], file).settings
    assert (found.plan, found.garage) == (tmp_path / "one.pdf", Path("garage"))


def test_of_two_flags_for_one_setting_the_last_counts() -> None:
    assert page(NEEDED, ["floors=3", "floors=4"]).settings.floors == 4


@pytest.mark.parametrize(
    ("text", "owners"),
    [("Wang", ("Wang",)), ("Wang,Li", ("Wang", "Li")), ("Wang, Li", ("Wang", "Li")), ("", ()), (" ", ())],
)
def test_the_texts_of_a_list_are_separated_by_commas(text: str, owners: tuple[str, ...]) -> None:
    assert page({**NEEDED, "HOUSE_OWNERS": text}).settings.owners == owners
    assert page(NEEDED, [f"owners={text}"]).settings.owners == owners


@pytest.mark.parametrize(
    ("key", "text", "problem"),
    [
        *(("floors", text, "must be a whole number") for text in ("", "2.0", "+2", " 2", "0x2", "1_0", "٢", "02")),
        ("floors", "9" * 5000, "must be a whole number"),
        *(("heated", text, "must be true or false") for text in ("", "1", "yes", "True", "TRUE", "true ")),
        *(
            ("lamp.watts", text, "must be a number")
            for text in ("", "nan", "inf", "1e999", "1_0", "4 0", "٤", "04", ".5", "5.")
        ),
        *(("owners", text, "must be a list of texts") for text in (",", "Wang,", "Wang,,Li", ",Li")),
        ("plan", "", "must be a path"),
        ("lamp.watts", "0", "must be more than 0"),
    ],
)
def test_what_is_wrong_is_told_with_its_variable_or_flag(key: str, text: str, problem: str) -> None:
    name = variable(PREFIX, key)
    assert problems({**NEEDED, name: text}) == [f"{name}: {problem}"]
    assert problems(NEEDED, [f"{key}={text}"]) == [f"--set {key}: {problem}"]


def test_what_no_setting_is_named_after_is_refused_in_every_source(tmp_path: Path) -> None:
    file = tmp_path / "house.toml"
    file.write_text("flors = 2\n[lamp]\nvolts = 230\n", encoding="utf-8")
    environment = {**NEEDED, "HOUSE_FLORS": "2", "HOUSE_floors": "2", "HOUSE_LAMP_WATTS": "2"}
    found = problems(environment, ["flors=2", "lamp.volts=230", "LAMP.WATTS=1"], file)
    assert [problem.partition("; known are ")[0] for problem in found] == [
        f"{file}: flors: unknown key",
        f"{file}: lamp.volts: unknown key",
        "HOUSE_FLORS: unknown variable",
        "HOUSE_LAMP_WATTS: unknown variable",
        "HOUSE_floors: unknown variable",
        "--set flors: unknown key",
        "--set lamp.volts: unknown key",
        "--set LAMP.WATTS: unknown key",
    ]
    assert "known are HOUSE_SETTINGS, HOUSE_NAME, HOUSE_FLOORS" in found[2]
    assert "known are name, floors, heated, plan, lamp.watts, lamp.colour" in found[5]


def test_variables_of_others_are_left_alone() -> None:
    others = {"HOUSE": "x", "CROSSREGION_HOUSE_FLOORS": "x", "PATH": "x", "house_floors": "x"}
    assert page({**NEEDED, **others}).settings.floors == 2


def test_the_variable_that_names_the_file_is_no_setting() -> None:
    assert page({**NEEDED, "HOUSE_SETTINGS": "house.toml"}).settings.floors == 2


def test_a_table_cannot_be_given_as_one_text() -> None:
    assert problems({**NEEDED, "HOUSE_SPARE": "5"}, ["lamp=5"]) == [
        "HOUSE_SPARE: is a table; its settings are HOUSE_SPARE__WATTS, HOUSE_SPARE__COLOUR",
        "--set lamp: is a table; its settings are lamp.watts, lamp.colour",
    ]


@pytest.mark.parametrize("flag", ["floors", "", "=2", "password: secret", "secret word=2"])
def test_a_flag_without_a_key_is_refused_and_not_repeated(flag: str) -> None:
    assert problems(NEEDED, [flag]) == ["--set: must be KEY=VALUE"]


def test_every_source_is_checked_even_if_a_later_one_wins(tmp_path: Path) -> None:
    file = tmp_path / "house.toml"
    file.write_text('floors = "two"\n', encoding="utf-8")
    assert problems({**NEEDED, "HOUSE_FLOORS": "many"}, ["floors=2"], file) == [
        f"{file}: floors: must be a whole number",
        "HOUSE_FLOORS: must be a whole number",
    ]


def test_what_is_missing_is_told_with_its_key(tmp_path: Path) -> None:
    assert problems({}, ["floors=2", "heated=true", "name=a"]) == ["plan: is missing", "lamp.watts: is missing"]


def test_without_any_source_one_line_says_how_to_give_one() -> None:
    (problem,) = problems({"PATH": "/bin", "HOUSE_SETTINGS": ""})
    assert problem.startswith("no settings are given: name a file by --settings or HOUSE_SETTINGS")


def test_a_file_that_cannot_be_read_hides_no_problem_of_the_others(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere.toml"
    assert problems({"HOUSE_FLOORS": "x"}, ["heated=x"], nowhere) == [
        f"{nowhere}: cannot be read: No such file or directory",
        "HOUSE_FLOORS: must be a whole number",
        "--set heated: must be true or false",
    ]


@pytest.mark.parametrize("number", ["nan", "inf", "1" + "0" * 400])
def test_a_number_that_is_none_is_refused_in_the_file_too(tmp_path: Path, number: str) -> None:
    file = tmp_path / "house.toml"
    file.write_text(f"[lamp]\nwatts = {number}\n", encoding="utf-8")
    assert f"{file}: lamp.watts: must be a number" in problems({}, (), file)


def test_sources_are_told_without_what_they_hold() -> None:
    sources = Sources(Path("house.toml"), PREFIX, {"HOUSE_NAME": "secret"}, ["name=secret"])
    assert str(sources) == "house.toml, the environment, --set"
    assert "secret" not in repr(sources)
