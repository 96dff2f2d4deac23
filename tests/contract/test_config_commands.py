"""`region-node config` and `coordinator config`: what they say is what `serve` does."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

import coordinator.cli.main
import region_node.cli.main
from coordinator.settings import CoordinatorSettings
from deploy.local.process import LocalProcess, Program
from gateway.security.region_keys import REGION_KEYS, KeySet
from gateway.settings.entries import entries_of
from region_node.node.settings import RegionSettings
from tests.contract.programs import REGION_NODE, Installation
from tests.contract.small_federation import FEDERATION, NOTHING_LISTENS, Certificates


@dataclass(frozen=True)
class Command:
    """One of the two commands, with its least settings."""

    main: click.Command
    module: str
    kind: type
    prefix: str
    member: str
    needs: Mapping[str, str]

    def run(self, *words: str, environment: Mapping[str, str] | None = None) -> Result:
        return CliRunner(env=environment).invoke(self.main, words)

    def settings(self, directory: Path) -> dict[str, str]:
        """The settings of a process that serves, by key."""
        certificates = Certificates(directory / "certificates")
        tls = certificates.credentials(self.member)
        found = {
            "federation": FEDERATION,
            "listen": "127.0.0.1:0",
            "data": str(directory / "data"),
            "port_file": str(directory / "port"),
            "credentials.authority": str(tls.authority),
            "credentials.certificate": str(tls.certificate),
            "credentials.key": str(tls.key),
        }
        if self.kind is RegionSettings:
            found["signing.certificate"] = str(tls.certificate.with_name("signing.crt"))
            found["keys"] = str(tls.certificate.with_name(REGION_KEYS))
            KeySet.new().save(Path(found["keys"]))
            found["signing.key"] = str(tls.certificate.with_name("signing.key"))
        return {**found, **self.needs}

    def variables(self, settings: Mapping[str, str]) -> dict[str, str]:
        return {self.prefix + key.upper().replace(".", "__"): text for key, text in settings.items()}


UNSIGNED = {"allow_unsigned_configuration": "true"}
COMMANDS = (
    Command(
        region_node.cli.main.main,
        "region_node.cli.main",
        RegionSettings,
        "REGION_NODE_",
        "region/sichuan",
        {"region": "sichuan", "coordinators": NOTHING_LISTENS, "allow_unscoped_operators": "true"},
    ),
    Command(
        coordinator.cli.main.main, "coordinator.cli.main", CoordinatorSettings, "COORDINATOR_", "coordinator/0", {}
    ),
)


@pytest.fixture(name="command", params=COMMANDS, ids=lambda command: command.member.partition("/")[0])
def either_command(request: pytest.FixtureRequest) -> Command:
    found = request.param
    assert isinstance(found, Command)
    return found


def flags(settings: Mapping[str, str]) -> list[str]:
    return [word for key, text in settings.items() for word in ("--set", f"{key}={text}")]


def example(command: Command, directory: Path, *, everything: bool) -> Path:
    """The example as a file, if wished with all that may be left out."""
    lines = command.run("config", "example").stdout.splitlines()
    if everything:
        lines = [line.removeprefix("#") if not line.startswith("# ") else line for line in lines]
    file = directory / "example.toml"
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


@contextmanager
def serving(command: Command, directory: Path, words: Sequence[str], environment: Mapping[str, str]) -> Iterator[int]:
    """A serving process, and its port; at the end it gets a stop signal, and stops."""
    program = Program("process", command.module, ("serve", *words), directory / "log", directory / "port")
    process = LocalProcess(program)
    try:
        yield process.start(environment)
        assert process.stop() == 0
    finally:
        process.kill()


@pytest.mark.parametrize("everything", [False, True])
def test_the_example_can_be_used_with_and_without_what_may_be_left_out(
    command: Command, tmp_path: Path, everything: bool
) -> None:
    file = example(command, tmp_path, everything=everything)
    told = command.run("config", "validate", "--settings", str(file))
    assert (told.exit_code, told.output) == (0, f"{file}: fine\n")


def test_every_setting_says_what_it_is_in_the_example(command: Command) -> None:
    text = command.run("config", "example").stdout
    for entry in entries_of(command.kind):
        for setting in entry.settings():
            assert setting.description, setting.key
            assert f"# {setting.description}\n" in text


def test_show_lists_every_setting_in_the_order_of_the_page_with_its_source(command: Command, tmp_path: Path) -> None:
    file = example(command, tmp_path, everything=True)
    environment = {f"{command.prefix}DATA": "elsewhere", f"{command.prefix}POSTGRESQL__READERS": "5"}
    words = ("config", "show", "--json", "--settings", str(file), "--set", "postgresql.readers=6")
    rows = json.loads(command.run(*words, environment=environment).stdout)
    settings = [setting for entry in entries_of(command.kind) for setting in entry.settings()]
    assert [row["key"] for row in rows] == [setting.key for setting in settings]
    assert [row["description"] for row in rows] == [setting.description for setting in settings]
    found = {row["key"]: (row["value"], row["source"]) for row in rows}
    assert found["data"] == ("elsewhere", f"{command.prefix}DATA")
    assert found["postgresql.readers"] == (6, "--set")
    assert found["federation"] == ("crossregion.example", str(file))
    assert found["reflection"] == (False, str(file))


def test_show_names_what_is_left_out_as_a_default(command: Command, tmp_path: Path) -> None:
    file = example(command, tmp_path, everything=False)
    rows = json.loads(command.run("config", "show", "--json", "--settings", str(file)).stdout)
    found = {row["key"]: (row["value"], row["source"]) for row in rows}
    assert found["postgresql"] == (None, "default")
    assert found["number"] == (0, "default")


def test_show_prints_a_table_for_people(command: Command, tmp_path: Path) -> None:
    file = example(command, tmp_path, everything=False)
    told = command.run("config", "show", "--settings", str(file), "--set", "reflection=true")
    assert told.exit_code == 0
    heading, *rows = (line.split() for line in told.stdout.splitlines())
    assert heading == ["key", "value", "source", "description"]
    assert ["reflection", "true", "--set"] in [row[:3] for row in rows]


@pytest.mark.parametrize("conninfo", ["host=h password=secret", "postgresql://u:secret@h/d?sslpassword=secret"])
@pytest.mark.parametrize("form", [(), pytest.param(("--json",), marks=pytest.mark.slow)])
def test_no_command_shows_a_password(command: Command, tmp_path: Path, conninfo: str, form: tuple[str, ...]) -> None:
    file = example(command, tmp_path, everything=False)
    given = ("--settings", str(file), "--set", f"postgresql.conninfo={conninfo}")
    told = command.run("config", "show", *given, *form)
    assert told.exit_code == 0
    assert "***" in told.output
    wrong = command.run("config", "validate", *given, "--set", "postgresql.readers=0")
    assert wrong.exit_code == 2
    assert "secret" not in told.output + wrong.output + repr(wrong.exception)


def test_validate_show_and_serve_refuse_the_same_with_the_same_words(command: Command, tmp_path: Path) -> None:
    file = example(command, tmp_path, everything=False)
    file.write_text(file.read_text("utf-8").replace("listen =", "lisen ="), "utf-8")
    environment = {f"{command.prefix}PORT": "tcp://10.0.0.1:7000", f"{command.prefix}NUMBER": "one"}
    given = ("--settings", str(file), "--set", "reflection=yes", "--set", "reflect=true")
    validated, shown, served = (
        command.run(*words, *given, environment=environment)
        for words in (("config", "validate"), ("config", "show"), ("serve",))
    )
    assert validated.exit_code == shown.exit_code == served.exit_code == 2
    assert validated.stdout == ""
    assert validated.stderr == shown.stderr == served.stderr
    places = [line.removeprefix("Error: ").partition("; known are ")[0] for line in validated.stderr.splitlines()]
    assert places == [
        f"{file}: lisen: unknown key",
        f"{command.prefix}NUMBER: must be a whole number",
        f"{command.prefix}PORT: unknown variable",
        "--set reflection: must be true or false",
        "--set reflect: unknown key",
        f"{file}: listen: is missing",
    ]


def test_without_any_source_the_command_says_how_to_give_one(command: Command) -> None:
    told = command.run("config", "validate")
    assert told.exit_code == 2
    assert f"name a file by --settings or {command.prefix}SETTINGS" in told.stderr


def test_the_environment_may_name_the_file_and_the_option_wins(command: Command, tmp_path: Path) -> None:
    file = example(command, tmp_path, everything=False)
    named = {f"{command.prefix}SETTINGS": str(file)}
    assert command.run("config", "validate", environment=named).stdout == f"{file}: fine\n"
    nowhere = {f"{command.prefix}SETTINGS": str(tmp_path / "nowhere.toml")}
    assert command.run("config", "validate", "--settings", str(file), environment=nowhere).exit_code == 0
    assert command.run("config", "validate", environment=nowhere).exit_code == 2


def test_a_process_serves_by_the_environment_alone(command: Command, tmp_path: Path) -> None:
    environment = command.variables({**command.settings(tmp_path), **UNSIGNED})
    told = command.run("config", "validate", environment=environment)
    assert (told.exit_code, told.stdout) == (0, "the environment: fine\n")
    with serving(command, tmp_path, (), environment) as port:
        assert port > 0
    assert (tmp_path / "data").is_dir()


def test_a_process_serves_by_flags_that_win_over_the_environment(command: Command, tmp_path: Path) -> None:
    settings = {**command.settings(tmp_path), **UNSIGNED}
    environment = command.variables({"data": str(tmp_path / "unused"), "listen": "127.0.0.1:1"})
    with serving(command, tmp_path, flags(settings), environment) as port:
        assert port > 1
    assert (tmp_path / "data").is_dir()
    assert not (tmp_path / "unused").exists()


@pytest.mark.parametrize("words", [("config", "show"), ("config", "validate"), ("config", "example")])
def test_the_help_gives_an_example(command: Command, words: tuple[str, ...]) -> None:
    text = command.run(*words, "--help").stdout
    assert " ".join(words) in text.split("Example:")[1]


def test_a_node_that_nobody_has_told_the_scopes_of_its_operators_ends_and_makes_nothing(tmp_path: Path) -> None:
    installed = Installation.make(REGION_NODE, tmp_path)
    del installed.settings["allow_unscoped_operators"]
    code, said = installed.serve_in_vain()
    assert (code, "operators: is missing" in said) == (2, True), said
    for words in (("config", "validate"), ("migrate",)):
        told = installed.run(*words)
        assert (told.exit_code, "operators: is missing" in told.stderr) == (2, True), told.output
    assert not Path(installed.settings["data"]).exists()
