"""The options that many commands share: who asks, and how much."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from gateway.security.authority import Authority
from gateway.security.identity import parse
from region_node.cli.connection import Target, connection_options
from region_node.cli.options import AmountType, required_staff_option, staff_option

HOUR = timedelta(hours=1)


@click.command()
@required_staff_option
@click.option("--amount", type=AmountType())
def ask(staff_id: str, amount: int | None) -> None:
    click.echo(f"{staff_id} {amount}")


@click.command()
@connection_options
@required_staff_option
def ask_at_node(target: Target, staff_id: str) -> None:
    click.echo(staff_id)


@click.command()
@staff_option
def ask_as_staff(staff_id: str) -> None:
    click.echo(repr(staff_id))


@pytest.fixture(autouse=True)
def nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CROSSREGION_STAFF_ID", "REGION_NODE_SETTINGS", "REGION_NODE_STAFF_ID"):
        monkeypatch.delenv(name, raising=False)


def test_who_asks_is_said_by_the_option_else_the_environment_else_the_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refused = CliRunner().invoke(ask, [])
    assert refused.exit_code == 2
    assert "Missing option '--staff-id'" in refused.output
    settings = tmp_path / "node.toml"
    settings.write_text('region = "sichuan"\nstaff_id = "of the file"\n')
    monkeypatch.setenv("REGION_NODE_SETTINGS", str(settings))
    assert CliRunner().invoke(ask, []).output == "of the file None\n"
    assert CliRunner().invoke(ask_as_staff, []).output == "'of the file'\n"
    monkeypatch.setenv("REGION_NODE_STAFF_ID", "of the settings")
    assert CliRunner().invoke(ask, []).output == "of the settings None\n"
    monkeypatch.setenv("CROSSREGION_STAFF_ID", "of the environment")
    assert CliRunner().invoke(ask, []).output == "of the environment None\n"
    assert CliRunner().invoke(ask, ["--staff-id", "4711"]).output == "4711 None\n"


@pytest.mark.parametrize("credentials_last", [False, True])
def test_a_member_of_staff_is_named_by_the_certificate_and_an_operator_system_has_to_say_who_asks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, credentials_last: bool
) -> None:
    now = datetime.now(UTC)
    authority = Authority.create("example.org", now - HOUR, now + HOUR)
    for name, path in (("wang", "staff/wang"), ("crm", "operator/crm")):
        identity = parse(f"spiffe://example.org/region/sichuan/{path}", "example.org")
        authority.issue(identity, now, now + HOUR / 2).write(tmp_path / name)

    def asked(credentials: str, *words: str) -> Result:
        node = ("--node", "x:1", "--federation", "example.org", "--region", "sichuan")
        if credentials_last:
            return CliRunner().invoke(ask_at_node, [*words, *node, "--credentials", str(tmp_path / credentials)])
        monkeypatch.setenv("CROSSREGION_CREDENTIALS", str(tmp_path / credentials))
        return CliRunner().invoke(ask_at_node, [*node, *words])

    assert asked("wang").output == "wang\n"
    assert asked("wang", "--staff-id", "li").output == "li\n", "the node refuses another name"
    for credentials in ("crm", "nowhere"):
        assert "Missing option '--staff-id'" in asked(credentials).output
    monkeypatch.setenv("CROSSREGION_STAFF_ID", "4711")
    assert asked("wang").output == asked("crm").output == "4711\n"


def test_settings_that_cannot_be_read_say_nothing_of_who_asks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = tmp_path / "node.toml"
    monkeypatch.setenv("REGION_NODE_SETTINGS", str(settings))
    for content in (None, "staff_id = 4711", "staff_id ="):
        if content is not None:
            settings.write_text(content)
        assert CliRunner().invoke(ask_as_staff, []).output == "''\n"


def test_help_says_that_it_is_required_and_which_variable_says_it() -> None:
    told = " ".join(CliRunner().invoke(ask, ["--help"]).output.split())
    assert "CROSSREGION_STAFF_ID; required" in told
    assert "required of an operator system" in " ".join(CliRunner().invoke(ask_as_staff, ["--help"]).output.split())


@pytest.mark.parametrize(("written", "told"), [("1200", "1200"), ("12.00", "1200"), ("12.5", "1250")])
def test_an_amount_is_taken_in_minor_units_or_with_a_point(written: str, told: str) -> None:
    assert CliRunner().invoke(ask, ["--staff-id", "1", "--amount", written]).output == f"1 {told}\n"


@pytest.mark.parametrize("written", ["0", "0.00", "12.005", "twelve", "99999999999999999999"])
def test_what_is_no_amount_is_refused_with_what_one_looks_like(written: str) -> None:
    refused = CliRunner().invoke(ask, ["--staff-id", "1", "--amount", written])
    assert refused.exit_code == 2
    assert f"Not an amount, as 1200 (fen) or 12.00 (yuan, with a point): {written}" in refused.output
