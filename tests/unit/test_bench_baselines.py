"""The programs beside which the bench measures orders: each is named where it is missing, before anything starts."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from deploy.local import patroni
from tests.bench import dbos, failover, nginx, requirements


@pytest.fixture(autouse=True)
def quiet_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "other_processors", lambda seconds: 0.0)
    monkeypatch.setattr(requirements, "sync_seconds", lambda place: 0.001)


@pytest.mark.parametrize(
    ("command", "options", "named"),
    [
        (nginx.main, [], ["the package nginx-light", "deploy/build/services.sh nginx"]),
        (dbos.main, ["--engine=sqlite"], ["DBOS is not installed in build/dbos", "`make dbos`"]),
        (failover.main, [], ["the packages patroni python3-etcd", "deploy/build/services.sh patroni"]),
    ],
)
def test_a_program_that_is_not_installed_is_named_with_its_remedy_before_anything_is_started(
    command: click.Command, options: list[str], named: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nginx, "program", lambda: None)
    monkeypatch.setattr(patroni, "program", lambda: None)
    monkeypatch.setattr(dbos, "INTERPRETER", tmp_path / "python")
    ended = CliRunner().invoke(command, [f"--output={tmp_path / 'build' / 'bench.json'}", *options])
    assert ended.exit_code == 1
    assert [each for each in named if each not in ended.output] == []
    assert not list(tmp_path.iterdir()), "nothing was begun"
