"""`coordinator federation import-number-plan`: a CSV file becomes the number plan of a coordinator that runs."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from coordinator.cli.connection import Connection
from coordinator.cli.federation.in_force import in_force
from coordinator.cli.main import main
from coordinator.registry.etcd.settings import EtcdSettings
from gateway.federation.files import dump
from gateway.federation.numberplan import owners_of
from gateway.security.authority import AUTHORITY_CERTIFICATE, TLS_CERTIFICATE, TLS_KEY
from gateway.security.tls import Credentials
from tests.contract.coordinator_process import coordinator_process
from tests.contract.large_number_plan import in_two_sizes, segments
from tests.contract.small_federation import CONFIGURATION, FEDERATION, Certificates

SHIPPED = Path(__file__).parents[2] / "deploy" / "federation"
OWNERS = owners_of(CONFIGURATION.number_plan)


@dataclass(frozen=True)
class Administrator:
    """Gives commands to a coordinator that runs, and has a directory for files."""

    endpoint: str
    credentials: Path
    directory: Path

    def command(self, *words: str) -> Result:
        """The output and the exit of a command."""
        environment = {
            "CROSSREGION_COORDINATOR": self.endpoint,
            "CROSSREGION_CREDENTIALS": str(self.credentials),
            "CROSSREGION_FEDERATION": FEDERATION,
        }
        return CliRunner(env=environment).invoke(main, ["federation", *words])

    def write(self, rows: Sequence[Sequence[str]], name: str = "plan.csv", encoding: str = "utf-8") -> str:
        """A CSV file."""
        path = self.directory / name
        with path.open("w", encoding=encoding, newline="") as file:
            csv.writer(file).writerows(rows)
        return str(path)

    def in_force(self) -> dict[str, str]:
        """The region of each prefix in force."""
        files = (self.credentials / name for name in (AUTHORITY_CERTIFICATE, TLS_CERTIFICATE, TLS_KEY))
        connection = Connection([self.endpoint], Credentials(*files), FEDERATION)
        return owners_of(in_force(connection).configuration.number_plan)


def administered(tmp_path: Path, etcd: EtcdSettings | None) -> Iterator[Administrator]:
    certificates = Certificates(tmp_path / "certificates")
    credentials = certificates.credentials("admin/root").certificate.parent
    with coordinator_process(certificates, tmp_path / "coordinator", etcd=etcd) as process:
        made = Administrator(process.endpoint, credentials, tmp_path)
        applied = made.command("apply", str(SHIPPED))
        assert applied.exit_code == 0, applied.output
        yield made


@pytest.fixture(name="administrator")
def an_administrator(tmp_path: Path) -> Iterator[Administrator]:
    yield from administered(tmp_path, None)


@pytest.fixture(name="either", params=["embedded", "etcd"])
def on_either_registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Administrator]:
    etcd: EtcdSettings | None = request.getfixturevalue("etcd") if request.param == "etcd" else None
    yield from administered(tmp_path, etcd)


def without_number_plan(directory: Path) -> str:
    """The shipped files, except for the number plan."""
    directory.mkdir()
    for name, text in dump(CONFIGURATION).items():
        if name != "number-plan.yaml":
            (directory / name).write_text(text)
    return str(directory)


@pytest.mark.timeout(300)  # ten seconds of work, in two processes, beside whatever else the machine does
@in_two_sizes
def test_a_large_plan_comes_into_force_and_an_apply_of_the_rest_keeps_it(either: Administrator, count: int) -> None:
    owners = {prefix: region for region, prefixes in segments(count).items() for prefix in prefixes}
    file = either.write([("prefix", "region"), *owners.items()])
    imported = either.command("import-number-plan", file, "--merge", "--json")
    assert imported.exit_code == 0, imported.output
    assert json.loads(imported.stdout) == {
        "federation_revision": 2,
        "applied": True,
        "prefixes": count + len(OWNERS),
        "added": count,
        "moved": 0,
        "removed": 0,
        "rejected": 0,
    }
    rest = without_number_plan(either.directory / "rest")
    assert either.command("diff", rest).stdout == "0 changes to revision 2\n"
    assert either.command("apply", rest).stdout == "revision 2 stays in force: nothing changes\n"
    assert either.in_force() == OWNERS | owners


def test_a_plan_that_was_imported_is_replaced_by_that_of_a_directory_only_where_that_is_said(
    administrator: Administrator,
) -> None:
    file = administrator.write([("prefix", "region"), *((f"138{segment}", "sichuan") for segment in range(1000, 2000))])
    assert administrator.command("import-number-plan", file, "--merge").exit_code == 0
    refused = administrator.command("apply", str(SHIPPED))
    assert refused.exit_code == 1
    assert f"lacks 1,000 of the {1000 + len(OWNERS):,} prefixes in force" in refused.stderr
    done = administrator.command("apply", str(SHIPPED), "--replace-number-plan")
    assert done.stdout == "revision 3 is in force: 1000 changes\n"
    assert administrator.in_force() == OWNERS


def test_a_file_with_lines_that_cannot_be_used_is_refused_with_all_of_them(administrator: Administrator) -> None:
    file = administrator.write([("prefix", "region"), ("1381234", "sichuan"), ("12", "sichuan"), ("028", "nowhere")])
    refused = administrator.command("import-number-plan", file)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.splitlines() == [
        f"Error: {file}:3: '12' is neither an area code nor what numbers begin with",
        f"{file}:4: unknown region 'nowhere'",
        "2 lines cannot be used; nothing was applied. --rejects FILE leaves them out",
    ]
    told = administrator.command("import-number-plan", file, "--json")
    assert told.exit_code == 1
    assert [each["line"] for each in json.loads(told.stdout)["problems"]] == [3, 4]
    assert administrator.in_force() == OWNERS


def test_bad_lines_may_be_left_out_and_are_kept_with_their_reasons(administrator: Administrator) -> None:
    rows = [("号段", "省份"), ("1381234", "四川"), ("12", "四川"), ("0755", "广东"), ("755", "四川")]
    file = administrator.write(rows, encoding="gb18030")
    rejects = administrator.directory / "rejects.csv"
    options = ["--map", "prefix=号段,region=省份", "--encoding", "gb18030", "--rejects", str(rejects), "--merge"]
    assert administrator.command("import-number-plan", file, *options, "--dry-run").stdout.startswith(
        "valid, not applied to revision 1: "
    )
    done = administrator.command("import-number-plan", file, *options)
    counts = f"{len(OWNERS) + 1} prefixes, 1 added, 0 moved, 0 removed, 3 rejected"
    assert done.stdout == f"revision 2 is in force: {counts}\n"
    assert administrator.in_force() == OWNERS | {"+861381234": "sichuan"}
    with rejects.open(encoding="utf-8-sig", newline="") as kept:
        told = list(csv.reader(kept))
    contested = "'+86755 is claimed by guangdong (line 4) and sichuan (line 5)"
    assert told == [
        ["号段", "省份", "line", "reason"],
        ["12", "四川", "3", "'12' is neither an area code nor what numbers begin with"],
        ["0755", "广东", "4", contested],
        ["755", "四川", "5", contested],
    ]


def test_a_plan_that_does_not_fit_the_rest_of_the_configuration_is_refused(administrator: Administrator) -> None:
    file = administrator.write([("prefix", "region"), ("1381234", "sichuan")])
    refused = administrator.command("import-number-plan", file)
    assert refused.exit_code == 1
    assert "number_pools[+8619851" in refused.stderr, "the numbers of new lines would belong to nobody"
    assert administrator.in_force() == OWNERS


def test_a_file_that_is_no_number_plan_is_refused(administrator: Administrator) -> None:
    cases: list[tuple[list[tuple[str, str]], list[str], int, str]] = [
        ([("number", "region")], [], 1, "there is no column 'prefix'; columns are: number, region"),
        ([("prefix", "region")], [], 1, "holds no line that can be used"),
        ([("prefix", "region")], ["--map", "prefix"], 2, "write it as prefix=HEADER,region=HEADER"),
        ([("prefix", "region")], ["--encoding", "nothing"], 2, "'nothing' is not known"),
        ([("prefix", "region"), ("1381234", "四川")], ["--encoding", "ascii"], 1, "cannot be read as text"),
    ]
    wrong = []
    for rows, options, code, problem in cases:
        refused = administrator.command("import-number-plan", administrator.write(rows), *options)
        if refused.exit_code != code or problem not in refused.stderr:
            wrong.append((problem, refused.output))
    assert not wrong


def test_the_file_itself_is_not_overwritten_with_its_rejects(administrator: Administrator) -> None:
    file = administrator.write([("prefix", "region"), ("12", "sichuan")])
    assert administrator.command("import-number-plan", file, "--rejects", file).exit_code == 2
    assert Path(file).read_text().startswith("prefix,region")


def test_a_directory_without_a_number_plan_is_valid_and_says_so(tmp_path: Path) -> None:
    valid = CliRunner().invoke(main, ["federation", "validate", without_number_plan(tmp_path / "rest")])
    assert valid.exit_code == 0, valid.output
    assert "no number plan of its own" in valid.stdout


def test_without_a_configuration_there_is_nothing_to_import_into(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path / "certificates")
    credentials = certificates.credentials("admin/root").certificate.parent
    with coordinator_process(certificates, tmp_path / "coordinator") as process:
        administrator = Administrator(process.endpoint, credentials, tmp_path)
        refused = administrator.command("import-number-plan", administrator.write([("prefix", "region")]))
    assert refused.exit_code == 1
    assert "no configuration is in force" in refused.stderr
