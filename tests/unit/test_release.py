"""The description of a release: licences of packages, and known vulnerabilities."""

import json
import re
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest

from deploy.image.runtime_lock import needed, runtime_lock
from deploy.release.licences import Licensed, licensed, main
from deploy.release.vulnerabilities import findings
from deploy.releases import ROOT


def bill(*components: dict[str, object]) -> dict[str, object]:
    return {"bomFormat": "CycloneDX", "components": list(components)}


def component(name: str, *licences: dict[str, object]) -> dict[str, object]:
    return {"name": name, "version": "1.0", "licenses": list(licences)}


def test_a_licence_is_told_by_identifier_by_expression_by_classifier_or_for_the_package() -> None:
    read = licensed(
        bill(
            component("a", {"license": {"id": "MIT"}}, {"license": {"id": "MIT"}}),
            component("b", {"expression": "Apache-2.0 OR BSD-3-Clause"}),
            component("c", {"license": {"name": "License :: OSI Approved :: BSD License"}}),
            component("protobuf"),
        )
    )
    assert [each.licences for each in read] == [
        ("MIT",),
        ("Apache-2.0 OR BSD-3-Clause",),
        ("BSD-3-Clause",),
        ("BSD-3-Clause",),
    ]


@pytest.mark.parametrize(
    "licences",
    [
        (),
        ("AGPL-3.0-only",),
        ("MIT", "AGPL-3.0-only"),
        ("MIT AND AGPL-3.0-only",),
        ("(MIT OR AGPL-3.0-only) AND AGPL-3.0-only",),
        ("(AGPL-3.0-only OR MIT OR AGPL-3.0-only) AND AGPL-3.0-only",),
    ],
)
def test_a_package_without_a_licence_or_under_another_one_is_not_allowed(licences: tuple[str, ...]) -> None:
    assert not Licensed("a", "1.0", licences).is_allowed


@pytest.mark.parametrize(
    "licence", ["Apache-2.0 AND MIT", "AGPL-3.0-only OR MIT", "GPL-2.0-only OR MIT AND BSD-2-Clause"]
)
def test_a_package_is_allowed_by_all_licences_of_one_choice(licence: str) -> None:
    assert Licensed("a", "1.0", (licence,)).is_allowed


def test_the_packages_of_this_version_that_name_an_expression_are_allowed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = needed(project["dependencies"], project["optional-dependencies"])
    lock = runtime_lock((ROOT / "requirements.lock").read_text(), wanted)
    names = set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))
    installed = [each.metadata for each in distributions() if each.name.lower().replace("_", "-") in names]
    told = {each["Name"]: each["License-Expression"] for each in installed if "License-Expression" in each}
    assert [name for name, licence in told.items() if not Licensed(name, "", (licence,)).is_allowed] == []
    assert "aiohttp" in told, "a package with an expression of two licences"


def test_the_command_fails_and_names_the_package_whose_licence_is_not_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sbom.cdx.json"
    path.write_text(json.dumps(bill(component("good", {"license": {"id": "MIT"}}), component("bad"))))
    assert main([str(path)]) == 1
    told = capsys.readouterr()
    assert told.out.splitlines() == ["bad 1.0: not named", "good 1.0: MIT"]
    assert told.err == "bad: no licence is not allowed\n"


def test_a_package_that_the_service_does_not_know_does_not_count_as_safe() -> None:
    vulnerable = {"name": "b", "version": "2.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1", "3.0"]}]}
    answer = {"dependencies": [{"name": "a", "skip_reason": "not found"}, vulnerable, {"name": "c", "vulns": []}]}
    assert findings(answer) == (["b 2.0: PYSEC-1, mended in 2.1, 3.0"], 1, 3)
