"""The `coordinator` command: a real process that serves, and the commands that people and programs give."""

import asyncio
import functools
import json
import re
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from coordinator.cli.main import main
from deploy.local.process import LocalProcess, Program
from gateway.api.region.v1.order_oversight_service_pb2_grpc import add_OrderOversightServiceServicer_to_server
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.federation.files import load
from gateway.rpc.server import Service
from tests import preloaded
from tests.contract.coordinators import federation, join_request, keys_of, run
from tests.contract.small_federation import CONFIGURATION, FEDERATION, NOTHING_LISTENS, Certificates, serving
from tests.contract.traced_order import ORDER_ID, SERVICE, Region, held_order

SHIPPED = Path(__file__).parents[2] / "deploy" / "federation"
MODULE = "coordinator.cli.main"


@dataclass
class Process:
    """A coordinator in a process of its own, and an administrator."""

    settings: Path
    port_file: Path
    administrator: Path
    errors: Path

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port_file.read_text().strip()}"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "CROSSREGION_COORDINATOR": self.endpoint,
            "CROSSREGION_CREDENTIALS": str(self.administrator),
            "CROSSREGION_FEDERATION": FEDERATION,
        }

    def command(self, *words: str) -> Result:
        """The output and the exit of an administrator's command."""
        return self.command_with(self.environment, *words)

    def command_with(self, environment: Mapping[str, str], *words: str) -> Result:
        """The same in another environment."""
        return CliRunner(env=environment).invoke(main, words)


@pytest.fixture(name="files")
def files_of_a_coordinator(tmp_path: Path) -> Process:
    certificates = Certificates(tmp_path / "certificates")
    certificates.credentials("coordinator/0")
    certificates.credentials("admin/root")
    certificates.credentials("region/sichuan")
    settings = tmp_path / "coordinator.toml"
    settings.write_text(
        f'federation = "{FEDERATION}"\nlisten = "127.0.0.1:0"\ndata = "data"\nport_file = "port"\n'
        "allow_unsigned_configuration = true\n"
        '[credentials]\nauthority = "certificates/coordinator_0/authority.crt"\n'
        'certificate = "certificates/coordinator_0/tls.crt"\nkey = "certificates/coordinator_0/tls.key"\n'
    )
    administrator = tmp_path / "certificates" / "admin_root"
    return Process(settings, tmp_path / "port", administrator, tmp_path / "errors")


@contextmanager
def serving_process(files: Process) -> Iterator[LocalProcess]:
    """The process, once it serves; at the end it gets a stop signal, and stops."""
    program = Program(
        "coordinator", MODULE, ("serve", "--settings", str(files.settings)), files.errors, files.port_file
    )
    process = LocalProcess(program, preloaded.launch)
    try:
        process.start()
        yield process
        assert process.stop() == 0
    finally:
        process.kill()


@pytest.fixture(name="coordinator")
def a_coordinator(files: Process) -> Iterator[Process]:
    with serving_process(files):
        yield files


def serve_in_vain(settings: Path) -> tuple[int, str]:
    """How a process that cannot serve ends, and its last line."""
    ended = preloaded.run(MODULE, "serve", "--settings", str(settings), environment={})
    assert "Traceback" not in ended.err
    return ended.code, ended.err.splitlines()[-1]


def test_a_coordinator_serves_until_it_is_told_to_stop(files: Process) -> None:
    with serving_process(files):
        assert files.command("regions", "list").exit_code == 0
    assert not files.port_file.exists()
    told = [line.split(": ", 1)[1].split(" on ")[0] for line in files.errors.read_text().splitlines()]
    assert [each for each in told if "the clock" not in each] == [f"coordinator/0 of {FEDERATION} serves", "stopped"]


@pytest.mark.parametrize(
    ("line", "path"),
    [("number = 7", f"spiffe://{FEDERATION}/coordinator/7"), ("", "spiffe://other.example/coordinator/0")],
)
def test_a_coordinator_whose_certificate_names_another_one_does_not_start(files: Process, line: str, path: str) -> None:
    federation_name = path.removeprefix("spiffe://").split("/", 1)[0]
    text = files.settings.read_text().replace(FEDERATION, federation_name)
    files.settings.write_text(f"{line}\n{text}")
    code, said = serve_in_vain(files.settings)
    assert code == 1
    assert f"tls.crt: names spiffe://{FEDERATION}/coordinator/0, but the settings say {path}" in said
    assert not (files.settings.parent / "data").exists()


def test_tables_and_refusals_are_chinese_where_that_is_asked_for(coordinator: Process) -> None:
    listed = coordinator.command("regions", "list", "--lang", "zh")
    assert listed.exit_code == 0
    assert listed.output.startswith("地区（时间为UTC时区）")
    refused = coordinator.command("regions", "suspend", "nowhere", "--note", "-", "--lang", "zh")
    assert refused.exit_code == 1
    assert refused.output.startswith("错误：REGION_UNKNOWN: ")
    assert "nowhere" in refused.output
    assert coordinator.command("regions", "list").output.startswith("Regions (times of UTC)")


def test_no_command_keeps_a_channel_beyond_its_last_word(coordinator: Process) -> None:
    kinds = {
        "answered": ("regions", "list"),
        "refused": ("regions", "suspend", "nowhere", "--note", "-"),
        "away": ("regions", "list", "--coordinator", NOTHING_LISTENS),
    }
    ended = {
        kind: preloaded.run("tests.contract.left_channels", MODULE, *words, environment=coordinator.environment)
        for kind, words in kinds.items()
    }
    left = {kind: each.err.splitlines()[-1] for kind, each in ended.items()}
    assert left == dict.fromkeys(kinds, "0 of 1 channels are left"), ended


def test_a_second_process_on_the_same_database_says_so_and_disturbs_nothing(coordinator: Process) -> None:
    code, line = serve_in_vain(coordinator.settings)
    assert code == 1
    assert line.startswith("Error: ")
    assert "coordinator.db is in use by process" in line
    assert coordinator.command("regions", "list").exit_code == 0


def test_a_second_process_on_the_same_port_says_so(coordinator: Process) -> None:
    text = coordinator.settings.read_text()
    text = (
        text.replace("127.0.0.1:0", coordinator.endpoint).replace('"data"', '"other"').replace('"port"', '"other-port"')
    )
    other = coordinator.settings.with_name("other.toml")
    other.write_text(text)
    code, line = serve_in_vain(other)
    assert (code, line.split(":")[0]) == (1, "Error")
    assert f"cannot listen on {coordinator.endpoint}" in line


@pytest.mark.parametrize(
    ("old", "new", "exit_code", "told"),
    [
        ("tls.key", "nowhere.key", 1, "nowhere.key: No such file or directory"),
        ("tls.key", "tls.crt", 1, "tls.crt: others may read this secret"),
        ("port_file", "prot_file", 2, "coordinator.toml: prot_file: unknown key"),
        ("federation =", "federation", 2, "coordinator.toml: is not TOML"),
        ('"data"', '"coordinator.toml"', 1, "coordinator.toml: File exists"),
    ],
)
def test_what_keeps_a_process_from_serving_is_told_in_one_line(
    files: Process, old: str, new: str, exit_code: int, told: str
) -> None:
    text = files.settings.read_text()
    assert old in text
    files.settings.write_text(text.replace(old, new))
    code, line = serve_in_vain(files.settings)
    assert code == exit_code
    assert line.startswith("Error: ")
    assert told in line


def test_complaints_are_classified_by_the_words_in_force(coordinator: Process, tmp_path: Path) -> None:
    texts = tmp_path / "texts.csv"
    texts.write_text("text\n网速慢得要命\n", encoding="utf-8")
    classify = ("complaints", "classify", str(texts), "--json")
    nothing = coordinator.command(*classify)
    assert nothing.exit_code == 1
    assert coordinator.command("federation", "apply", str(SHIPPED)).exit_code == 0
    in_force = coordinator.command(*classify)
    assert in_force.exit_code == 0, in_force.output
    assert json.loads(in_force.output)["category"] == "NET_SPEED"
    assert in_force.output == coordinator.command(*classify, "--directory", str(SHIPPED)).output


def test_a_mistyped_region_is_told_with_the_nearest_by_every_command(coordinator: Process) -> None:
    assert coordinator.command("federation", "apply", str(SHIPPED)).exit_code == 0
    commands = (
        ("regions", "lanes", "sichaun"),
        ("regions", "suspend", "sichaun", "--note", "-"),
        ("regions", "reinstate", "sichaun"),
        ("orders", "list", "--region", "sichaun"),
        ("complaints", "list", "--region", "sichaun"),
        ("complaints", "cases", "--region", "sichaun"),
        ("body", "--region", "sichaun"),
        ("problems", "list", "--region", "sichaun"),
        ("planned-outages", "--region", "sichaun"),
        ("network", "matrix", "--region", "sichaun"),
        ("audit", "verify", "--region", "sichaun", "--coordinator", coordinator.endpoint),
    )
    told = {words: coordinator.command(*words) for words in commands}
    assert {words: each.output for words, each in told.items() if "Did you mean sichuan" not in each.output} == {}


def test_a_change_of_a_mistyped_link_is_told_with_the_nearest(coordinator: Process) -> None:
    assert coordinator.command("federation", "apply", str(SHIPPED)).exit_code == 0
    change = ("--change", "chengdu-guangzou-1:delay_us=9000")
    told = coordinator.command("network", "paths", "sichuan", "guangdong", *change)
    assert (told.exit_code, "Did you mean chengdu-guangzhou-1" in told.output) == (1, True)


@pytest.mark.clause("1.4.1")
def test_a_configuration_is_compared_applied_and_shown(coordinator: Process, tmp_path: Path) -> None:
    different = coordinator.command("federation", "diff", str(SHIPPED))
    assert different.exit_code == 0
    assert "+ regions[sichuan].name.zh_cn: 四川" in different.stdout
    tried = coordinator.command("federation", "apply", "--dry-run", str(SHIPPED))
    assert tried.stdout.startswith("valid, not applied: ")
    assert coordinator.command("federation", "apply", str(SHIPPED)).stdout.startswith("revision 1 is in force: ")
    again = coordinator.command("federation", "apply", str(SHIPPED))
    assert again.stdout == "revision 1 stays in force: nothing changes\n"
    shown = coordinator.command("federation", "show")
    (tmp_path / "shown").mkdir()
    (tmp_path / "shown" / "all.yaml").write_text(shown.stdout)
    assert load(tmp_path / "shown") == CONFIGURATION
    as_json = json.loads(coordinator.command("federation", "show", "--json").stdout)
    assert as_json["federation_revision"] == "1"


def test_a_difference_names_what_was_and_what_will_be(coordinator: Process, tmp_path: Path) -> None:
    assert coordinator.command("federation", "apply", str(SHIPPED)).exit_code == 0
    wanted = tmp_path / "wanted"
    wanted.mkdir()
    for file in SHIPPED.glob("*.yaml"):
        text = file.read_text(encoding="utf-8").replace("zh_cn: 四川,", "zh_cn: 天府之国,")
        (wanted / file.name).write_text(text, encoding="utf-8")
    assert (
        "~ regions[sichuan].name.zh_cn: 四川 → 天府之国\n"
        in coordinator.command("federation", "diff", str(wanted)).stdout
    )
    told = json.loads(coordinator.command("federation", "diff", "--json", str(wanted)).stdout)
    assert {"path": "regions[sichuan].name.zh_cn", "old": "四川", "new": "天府之国"} in told["changes"]


def test_times_are_those_of_most_regions_named_in_the_title_and_chosen_by_an_option(
    coordinator: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert coordinator.command("federation", "apply", str(SHIPPED)).exit_code == 0
    monkeypatch.setenv("TZ", "EST5")
    assert coordinator.command("regions", "list").stdout.startswith("Regions (times of Asia/Shanghai)")
    utc = coordinator.command("regions", "list", "--utc").stdout
    assert utc.startswith("Regions (times of UTC)")
    chosen = coordinator.command("regions", "list", "--time-zone", "Asia/Urumqi").stdout
    assert chosen.startswith("Regions (times of Asia/Urumqi)")
    monkeypatch.setenv("CROSSREGION_TIME_ZONE", "Asia/Urumqi")
    assert coordinator.command("regions", "list").stdout == chosen


def test_times_of_one_region_are_those_of_its_own_zone(coordinator: Process, tmp_path: Path) -> None:
    wanted = tmp_path / "wanted"
    wanted.mkdir()
    for file in SHIPPED.glob("*.yaml"):
        before, xinjiang, after = file.read_text(encoding="utf-8").partition("id: xinjiang\n")
        text = before + xinjiang + after.replace("Asia/Shanghai", "Asia/Urumqi", 1)
        (wanted / file.name).write_text(text, encoding="utf-8")
    assert coordinator.command("federation", "apply", str(wanted)).exit_code == 0
    for region, zone in {"": "Asia/Shanghai", "henan": "Asia/Shanghai", "xinjiang": "Asia/Urumqi"}.items():
        listed = coordinator.command("orders", "list", "--region", region).stdout
        assert listed.startswith(f"Orders (times of {zone})"), region


@pytest.mark.clause("10.3(1)")
def test_regions_are_listed_suspended_and_reinstated(coordinator: Process) -> None:
    assert coordinator.command("federation", "apply", str(SHIPPED)).exit_code == 0
    listed = coordinator.command("regions", "list").stdout.splitlines()
    assert len(listed) == 2 + len(CONFIGURATION.regions) + 3
    assert listed[-1].split() == ["coordinator/0", coordinator.endpoint]
    suspended = coordinator.command("regions", "suspend", "henan", "--note", "[bold]key[/bold]")
    assert suspended.stdout == ("henan is suspended: [bold]key[/bold] (by admin/root)\nconfirmed by coordinator/0\n")
    (row,) = (line for line in coordinator.command("regions", "list").stdout.splitlines() if line.startswith("henan"))
    # What others wrote is never read as markup.
    assert "suspended" in row
    assert "[bold]key[/bold]" in row
    members = json.loads(coordinator.command("regions", "list", "--json").stdout)["members"]
    assert {each["region"]: each["state"] for each in members}["henan"] == "MEMBER_STATE_SUSPENDED"
    assert coordinator.command("regions", "reinstate", "henan").stdout == "henan is absent\n"


def test_exit_codes_say_how_a_command_ended(coordinator: Process) -> None:
    refused = coordinator.command("regions", "suspend", "atlantis", "--note", "note")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("Error: REGION_UNKNOWN: ")
    assert coordinator.command("regions", "suspend", "henan").exit_code == 2
    assert coordinator.command("regions", "list", "--colour").exit_code == 2
    missing = CliRunner(env=coordinator.environment | {"CROSSREGION_CREDENTIALS": "nowhere"})
    told = missing.invoke(main, ["regions", "list"]).stderr
    assert "authority.crt: No such file or directory\n--credentials names the directory with authority.crt" in told
    nobody = coordinator.command("regions", "list", "--coordinator", NOTHING_LISTENS)
    assert nobody.exit_code == 3
    assert f"no answer from {NOTHING_LISTENS}, " in nobody.stderr


def test_a_region_is_no_administrator(coordinator: Process) -> None:
    region = coordinator.administrator.with_name("region_sichuan")
    refused = coordinator.command("regions", "list", "--credentials", str(region))
    assert refused.exit_code == 1
    assert refused.stderr.startswith("Error: PERMISSION_DENIED: region/sichuan may not call ")
    assert refused.stderr.endswith("Give the --credentials of an administrator.\n")


def test_files_are_validated_without_a_coordinator(tmp_path: Path) -> None:
    runner = CliRunner()
    valid = runner.invoke(main, ["federation", "validate", str(SHIPPED)])
    assert (valid.exit_code, valid.stdout.split(" with ")[0]) == (0, f"valid: {FEDERATION}")
    (tmp_path / "broken.yaml").write_text("federation: UPPER.example\nregions: []\nbusines: []\n")
    broken = runner.invoke(main, ["federation", "validate", str(tmp_path)])
    assert broken.exit_code == 1
    assert "broken.yaml:3: busines: unknown key" in broken.stderr
    as_json = runner.invoke(main, ["federation", "validate", "--json", str(tmp_path)])
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout)["valid"] is False
    assert runner.invoke(main, ["federation", "validate", str(tmp_path / "nowhere")]).exit_code == 2
    lacking = tmp_path / "lacking"
    shutil.copytree(SHIPPED, lacking)
    policies = lacking / "policies.yaml"
    policies.write_text(policies.read_text("utf-8").replace("name: month-begin", "name: month-ends"), "utf-8")
    lacks = runner.invoke(main, ["federation", "validate", str(lacking)])
    assert lacks.exit_code == 1
    assert "PRECONDITION_MONTH_BEGUN needs the policy month-begin with a figure in UNIT_DAYS" in lacks.stderr


def test_the_audit_chain_is_verified_and_every_damage_is_found(files: Process) -> None:
    with serving_process(files):
        for note in ("first", "second"):
            files.command("federation", "apply", str(SHIPPED))
            files.command("regions", "suspend", "henan", "--note", note)
        verified = files.command("audit", "verify", "--settings", str(files.settings))
        assert verified.exit_code == 0
        head = verified.stdout.strip().rpartition(" ")[2]
        assert head.startswith("3:")
    verify = ("audit", "verify", "--settings", str(files.settings))
    offline = CliRunner()
    assert offline.invoke(main, [*verify, "--seen", head]).exit_code == 0
    with sqlite3.connect(files.settings.with_name("data") / "coordinator.db") as database:
        database.execute("DELETE FROM audit WHERE sequence = 3")
    database.close()
    assert offline.invoke(main, verify).exit_code == 0
    cut = offline.invoke(main, [*verify, "--seen", head])
    assert cut.exit_code == 1
    assert "the tail was cut: row 3 and all after it are gone, which were seen by whoever noted it" in cut.stderr
    with sqlite3.connect(files.settings.with_name("data") / "coordinator.db") as database:
        database.execute("UPDATE audit SET detail = 'another' WHERE sequence = 2")
    database.close()
    altered = offline.invoke(main, verify)
    assert (altered.exit_code, "row 2 of " in altered.stderr) == (1, True)


def test_the_environment_names_the_coordinators_that_verify_and_what_is_about_one_alone_wins(files: Process) -> None:
    with serving_process(files):
        files.command("federation", "apply", str(SHIPPED))
        told = files.command("audit", "verify")
        assert told.exit_code == 0, told.stderr
        assert told.stdout.startswith("Audit chains"), "those of the federation"
        own = files.command("audit", "verify", "--settings", str(files.settings))
        assert own.stdout.startswith("unbroken; rows: ")
        half = {**files.environment, "CROSSREGION_FEDERATION": ""}
        refused = CliRunner(env=half).invoke(main, ["audit", "verify"])
        assert (refused.exit_code, "needs --credentials and --federation" in refused.stderr) == (2, True)
        head = own.stdout.strip().rpartition(" ")[2]
        alone = {**files.environment, "COORDINATOR_SETTINGS": str(files.settings)}
        seen = CliRunner(env=alone).invoke(main, ["audit", "verify", "--seen", head])
        assert seen.stdout == own.stdout, "a head is of one coordinator's chain"


def test_a_chain_that_is_not_there_cannot_be_verified(files: Process) -> None:
    result = CliRunner().invoke(main, ["audit", "verify", "--settings", str(files.settings)])
    assert result.exit_code == 1
    assert "coordinator.db: there is no such database" in result.stderr


def commands(group: click.Group, path: str = "coordinator") -> Iterator[str]:
    """The words that call every command."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}"


def test_the_help_of_every_command_gives_an_example() -> None:
    silent = []
    for words in commands(main.whole()):
        text = CliRunner().invoke(main, [*words.split()[1:], "--help"]).stdout
        if words not in text.partition("Example")[2]:
            silent.append(words)
    assert not silent


async def command(certificates: Certificates, endpoint: str, *words: str) -> tuple[int, str, str]:
    """A command in a process of its own: how it ends, and what it prints."""
    administrator = certificates.credentials("admin/root").authority.parent
    environment = {
        "CROSSREGION_COORDINATOR": endpoint,
        "CROSSREGION_CREDENTIALS": str(administrator),
        "CROSSREGION_FEDERATION": FEDERATION,
    }
    ended = await asyncio.to_thread(preloaded.run, MODULE, *words, environment=environment)
    return ended.code, ended.out, ended.err


def test_orders_are_listed_and_followed_hop_by_hop(tmp_path: Path) -> None:
    async def scenario() -> None:
        certificates = Certificates(tmp_path / "certificates")
        region = Region()
        service = Service(SERVICE, functools.partial(add_OrderOversightServiceServicer_to_server, region))
        async with (
            federation(certificates, tmp_path / "data") as it,
            serving(certificates, "region/henan", [service], "henan") as endpoint,
        ):
            await it.apply()
            henan, sichuan = keys_of(certificates, "henan"), keys_of(certificates, "sichuan")
            await it.join(henan, join_request(henan, endpoint))
            await it.join(sichuan, join_request(sichuan, NOTHING_LISTENS))

            code, out, errors = await command(certificates, it.endpoint, "orders", "list")
            assert code == 0
            assert "home staff: review" in out
            assert "sichuan could not be asked: REGION_UNREACHABLE" in errors

            code, out, _ = await command(certificates, it.endpoint, "orders", "held", "--json")
            assert [order["number_prefix"] for order in json.loads(out)["orders"]] == [held_order().number_prefix]

            by_number = ("orders", "list", "--number", "19899001234", "--json")
            code, out, _ = await command(certificates, it.endpoint, *by_number)
            assert [order["id"] for order in json.loads(out)["orders"]] == [held_order().id]

            code, out, _ = await command(certificates, it.endpoint, *by_number[:-1])
            assert re.search(r"The audit rows have the subject search/[0-9a-f]{32}\.\n", out)
            code, _, errors = await command(certificates, it.endpoint, "orders", "list", "--number", "")
            assert (code, errors.split(":")[1]) == (1, " NUMBER_INVALID")

            code, out, errors = await command(certificates, it.endpoint, "orders", "trace", ORDER_ID)
            assert code == 0
            assert f"{ORDER_ID} (times of Asia/Shanghai)" in out
            lines = [line.split() for line in out.splitlines()]
            events = [" ".join(line[3:]) for line in lines if line and line[0] == "2026-11-24"]
            assert events == [
                "henan order acknowledged",
                "+5.0 ms henan sent order submit henan → sichuan",
                "+5.0 ms coordinator/0 received order submit henan → sichuan",
                "+5.0 ms sichuan committed order submit henan → sichuan",
                "+2.0 s sichuan order pending review returned",
            ]
            assert "order command henan → sichuan: no receipt yet; whether and how often it was sent" in out
            assert "order update henan → sichuan: not taken so far: it waits until sichuan is upgraded" in out
            assert "order update henan → sichuan: not taken so far: REGION_SUSPENDED" in out
            assert "waits for people of henan: `region-node quarantine show envelope/e`" in out
            assert "given up by staff of henan" in out

            waits = join_request(henan, endpoint)
            waits.report.unreadable = "revision 2 has something"
            waits.report.waiting.add(destination="sichuan", reason=Reason.REASON_UPGRADE_REQUIRED, count=3)
            await it.join(henan, waits)
            code, out, _ = await command(certificates, it.endpoint, "regions", "list")
            assert code == 0
            assert "henan has to be upgraded: revision 2 has something" in out
            assert "3 envelopes from henan to sichuan wait" in out
            assert "it waits until sichuan is upgraded" in out

            code, _, errors = await command(certificates, it.endpoint, "orders", "trace", "henan/counter/R9")
            assert (code, errors.split(":")[1]) == (1, " ORDER_NOT_FOUND")
            code, _, errors = await command(certificates, it.endpoint, "orders", "trace", "sichuan/counter/R9")
            assert code == 3

    run(scenario())
