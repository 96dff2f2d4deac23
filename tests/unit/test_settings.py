"""Settings files: their values, and the messages about errors."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from coordinator.settings import CoordinatorSettings
from gateway.settings import SettingsError, load, without_passwords
from gateway.store.opening import PostgresqlSettings

COORDINATOR = """
federation = "demo.example"
listen = "127.0.0.1:0"
data = "data"

[credentials]
authority = "tls/authority.crt"
certificate = "tls/tls.crt"
key = "/keys/tls.key"
"""


@dataclass(frozen=True)
class Lamp:
    watts: float
    colour: str = "white"

    def __post_init__(self) -> None:
        if self.watts <= 0:
            raise ValueError("watts: must be more than 0")


@dataclass(frozen=True)
class House:
    name: str
    floors: int
    heated: bool
    plan: Path
    lamp: Lamp
    owners: tuple[str, ...] = ()
    garage: Path | None = None
    spare: Lamp | None = None
    porch: Lamp = field(default_factory=lambda: Lamp(5.0))


GOOD = """
name = "阳光"
floors = 2
heated = true
plan = "plans/one.pdf"
owners = ["Wang", "Li"]
lamp = {watts = 40}
"""


def house(directory: Path, text: str) -> House:
    file = directory / "house.toml"
    file.write_text(text, encoding="utf-8")
    return load(House, file)


def problems(directory: Path, text: str) -> list[str]:
    """The problems, each without the name of the file, with which every problem begins."""
    with pytest.raises(SettingsError) as error:
        house(directory, text)
    beginning = f"{directory / 'house.toml'}: "
    assert all(problem.startswith(beginning) for problem in error.value.problems)
    return [problem.removeprefix(beginning) for problem in error.value.problems]


def test_every_kind_of_field_is_read(tmp_path: Path) -> None:
    found = house(tmp_path, GOOD)
    assert (found.name, found.floors, found.heated, found.owners) == ("阳光", 2, True, ("Wang", "Li"))
    assert found.lamp == Lamp(40.0)


def test_a_path_is_relative_to_the_file_unless_it_is_absolute(tmp_path: Path) -> None:
    text = GOOD.replace("lamp", 'garage = "/srv/garage"\nlamp')
    assert house(tmp_path, text).plan == tmp_path / "plans" / "one.pdf"
    assert house(tmp_path, text).garage == Path("/srv/garage")


def test_what_has_a_default_may_be_left_out(tmp_path: Path) -> None:
    found = house(tmp_path, GOOD)
    assert (found.garage, found.spare, found.porch) == (None, None, Lamp(5.0))


def test_an_optional_table_is_read(tmp_path: Path) -> None:
    assert house(tmp_path, GOOD + "[spare]\nwatts = 1.5\n").spare == Lamp(1.5)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("floors = 2", "", "floors: is missing"),
        ("floors = 2", 'floors = "2"', "floors: must be a whole number"),
        ("floors = 2", "floors = 2.0", "floors: must be a whole number"),
        ("floors = 2", "floors = true", "floors: must be a whole number"),
        ("heated = true", "heated = 1", "heated: must be true or false"),
        ("40", "true", "lamp.watts: must be a number"),
        ("40", '"40"', "lamp.watts: must be a number"),
        ('"阳光"', "1", "name: must be a text"),
        ('"plans/one.pdf"', '""', "plan: must be a path"),
        ('["Wang", "Li"]', '"Wang"', "owners: must be a list of texts"),
        ('["Wang", "Li"]', '["Wang", 1]', "owners: must be a list of texts"),
        ("{watts = 40}", "40", "lamp: must be a table"),
        ("{watts = 40}", "{}", "lamp.watts: is missing"),
        ("{watts = 40}", "{watts = 40, volts = 230}", "lamp.volts: unknown key; known are watts, colour"),
        ("{watts = 40}", "{watts = 0}", "lamp.watts: must be more than 0"),
        ("floors", "flors", "flors: unknown key; known are name, floors"),
    ],
)
def test_what_is_wrong_is_told_with_its_key(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert any(found.startswith(problem) for found in problems(tmp_path, GOOD.replace(old, new)))


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("2", '"two"').replace("true", "1").replace("40", '"dim"')
    assert len(problems(tmp_path, text)) == 3


def test_a_file_that_is_not_toml_is_told_with_its_place(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, "name = \n")
    assert found.startswith("is not TOML: ")
    assert "line 1" in found


def test_a_number_that_is_too_long_to_be_read_is_told(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, GOOD.replace("2", "2" * 5000))
    assert found.startswith("is not TOML: ")


def test_a_file_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    file = tmp_path / "house.toml"
    file.write_bytes(b'name = "\xff"')
    with pytest.raises(SettingsError, match="is not UTF-8 at byte 8"):
        load(House, file)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.toml: cannot be read: No such file or directory"):
        load(House, tmp_path / "nowhere.toml")


def coordinator(directory: Path, text: str) -> CoordinatorSettings:
    file = directory / "coordinator.toml"
    file.write_text(text, encoding="utf-8")
    return load(CoordinatorSettings, file)


def test_a_coordinator_needs_little_and_reflects_nothing_unless_told(tmp_path: Path) -> None:
    settings = coordinator(tmp_path, COORDINATOR)
    assert settings.database.file == tmp_path / "data" / "coordinator.db"
    assert settings.credentials.certificate == tmp_path / "tls" / "tls.crt"
    assert settings.name == "coordinator/0"
    assert not settings.reflection
    assert settings.lease > settings.heartbeat_interval


ETCD = """
[etcd]
endpoints = ["127.0.0.1:2379", "127.0.0.1:2479"]
[etcd.credentials]
authority = "etcd/authority.crt"
certificate = "etcd/tls.crt"
key = "etcd/tls.key"
"""


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('federation = "demo..example"', "federation: 'demo..example' is not the federation"),
        ('listen = "127.0.0.1"', "listen: '127.0.0.1' is not host:port"),
        ('listen = "127.0.0.1:70000"', "listen: '127.0.0.1:70000' is not host:port"),
        ('advertise = "127.0.0.1:0"', "advertise: '127.0.0.1:0' is not host:port"),
        ("number = -1", "number: must be 0 to 99999"),
        ("heartbeat_interval = 0", "heartbeat_interval: must be more than 0 seconds"),
        ("lease = 3", "lease: must be at least 2 times heartbeat_interval"),
    ],
)
def test_a_coordinator_refuses_values_that_make_no_sense(tmp_path: Path, line: str, problem: str) -> None:
    key = line.split(" ", 1)[0]
    rest = "".join(each + "\n" for each in COORDINATOR.splitlines() if not each.startswith(f"{key} "))
    with pytest.raises(SettingsError) as error:
        coordinator(tmp_path, line + rest)
    assert [problem in told for told in error.value.problems] == [True]


def test_a_coordinator_without_etcd_may_keep_its_data_in_postgresql(tmp_path: Path) -> None:
    settings = coordinator(tmp_path, COORDINATOR + '[postgresql]\nconninfo = "dbname=coordinator"\n')
    assert settings.etcd is None
    assert settings.postgresql == PostgresqlSettings("dbname=coordinator", readers=4)


def test_a_coordinator_with_etcd_says_where_it_is_reached(tmp_path: Path) -> None:
    assert coordinator(tmp_path, COORDINATOR + ETCD).endpoint(7000) == "127.0.0.1:7000"
    everywhere = COORDINATOR.replace("127.0.0.1:0", "0.0.0.0:7000")
    with pytest.raises(SettingsError, match="advertise: is needed"):
        coordinator(tmp_path, everywhere + ETCD)
    told = coordinator(tmp_path, 'advertise = "one.example:443"\n' + everywhere + ETCD)
    assert told.endpoint(7000) == "one.example:443"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('["127.0.0.1:2379", "127.0.0.1:2479"]', "[]", "etcd.endpoints: name at least one"),
        ("127.0.0.1:2379", "https://127.0.0.1:2379", "etcd.endpoints: 'https://127.0.0.1:2379' is not host:port"),
        ("2379", "2479", "etcd.endpoints: name each member once"),
        ("etcd/authority.crt", "tls/authority.crt", "etcd.credentials.authority: must be etcd's own"),
        ('key = "etcd/tls.key"', "", "etcd.credentials.key: is missing"),
    ],
)
def test_an_etcd_that_cannot_be_used_or_would_be_open_to_all_is_refused(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    with pytest.raises(SettingsError) as error:
        coordinator(tmp_path, COORDINATOR + ETCD.replace(old, new))
    assert [problem in told for told in error.value.problems] == [True]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ('conninfo = " "', "postgresql.conninfo: must not be empty"),
        ('conninfo = "host=x secret"', "postgresql.conninfo: is neither"),
        ('conninfo = "dbname=x"\nreaders = 0', "postgresql.readers: must be 1 to 64"),
    ],
)
def test_a_postgresql_that_cannot_be_used_is_refused(tmp_path: Path, lines: str, problem: str) -> None:
    with pytest.raises(SettingsError) as error:
        coordinator(tmp_path, f"{COORDINATOR}[postgresql]\n{lines}\n")
    assert [problem in told for told in error.value.problems] == [True]


@pytest.mark.parametrize(
    ("conninfo", "shown"),
    [
        ("host=h password=secret dbname=d", "host=h password=*** dbname=d"),
        ("password=secret", "password=***"),
        ("host=h PASSWORD = secret", "host=h PASSWORD = ***"),
        ("password='se cret' host=h", "password=*** host=h"),
        (r"password='se\'cret secret' host=h", "password=*** host=h"),
        (r"password=se\ cret host=h", "password=*** host=h"),
        ("password='secret", "password=***"),
        ("user='u'password=secret", "user='u'password=***"),
        ("sslkey=k sslpassword=secret", "sslkey=k sslpassword=***"),
        ("password=se://cret", "password=***"),
        ("postgresql://u:secret@h:5432/d", "postgresql://u:***@h:5432/d"),
        ("postgresql://u:se/c@ret@h/d", "postgresql://u:***@h/d"),
        ("postgresql://:secret@h/d", "postgresql://:***@h/d"),
        ("postgresql://u@h/d?password=secret&readers=1", "postgresql://u@h/d?password=***&readers=1"),
        ("postgresql://h/d?sslmode=require&sslpass%77ord=secret", "postgresql://h/d?sslmode=require&sslpass%77ord=***"),
        ("dbname=postgresql://u:secret@h/d", "dbname=postgresql://u:***@h/d"),
        ("postgresql://u@h:5432/d", "postgresql://u@h:5432/d"),
        ("host=h user=u dbname=d passfile=/p", "host=h user=u dbname=d passfile=/p"),
    ],
)
def test_no_password_is_ever_shown(conninfo: str, shown: str) -> None:
    assert without_passwords(conninfo) == shown


def test_no_connection_string_is_shown_with_the_settings() -> None:
    assert "host" not in repr(PostgresqlSettings("host=h password=secret"))


def test_a_connection_string_that_cannot_be_read_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="is neither") as refused:
        PostgresqlSettings("host=h password='secret")
    assert "secret" not in str(refused.value)
