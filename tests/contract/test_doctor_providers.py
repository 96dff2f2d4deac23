"""The findings of `region-node doctor` about a system of the region's own."""

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

import region_node.cli.main
from deploy.local.federation import LocalFederation
from tests.contract.small_federation import NOTHING_LISTENS

REGION = "sichuan"


@pytest.fixture(scope="module", name="federation")
def a_region_with_a_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalFederation]:
    federation = LocalFederation(tmp_path_factory.mktemp("doctor"), [REGION], provided={REGION: ("ROAMING",)})
    federation.prepare()
    try:
        federation.providers[REGION].process.start()
        yield federation
    finally:
        federation.kill()


def checked(federation: LocalFederation, **changed: str) -> tuple[str, str, str]:
    """State, finding and advice about the system, by changed settings of it."""
    flags = [word for key, text in changed.items() for word in ("--set", f"providers.fulfilment.{key}={text}")]
    settings = ["--settings", str(federation.settings_file(REGION))]
    told = CliRunner().invoke(region_node.cli.main.main, ["doctor", *settings, "--json", *flags])
    (found,) = (each for each in json.loads(told.stdout)["checks"] if each["name"].startswith("fulfilment system"))
    return found["state"], found["found"], found["todo"]


def test_a_system_that_serves_under_its_name_is_good(federation: LocalFederation) -> None:
    assert checked(federation) == ("good", "SERVING, and proves to be systems", "")


def test_a_system_that_is_away_is_to_be_started(federation: LocalFederation) -> None:
    state, _, todo = checked(federation, endpoint=NOTHING_LISTENS)
    assert state == "bad"
    assert "start the server" in todo


def test_a_system_of_another_name_is_a_matter_of_certificates(federation: LocalFederation) -> None:
    state, _, todo = checked(federation, name="network")
    assert state == "bad"
    assert "correct the names in the settings" in todo
