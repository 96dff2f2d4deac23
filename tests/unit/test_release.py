"""The description of a release: licences of packages, and known vulnerabilities."""

import json
from pathlib import Path

import pytest

from deploy.release.licences import Licensed, licensed, main
from deploy.release.vulnerabilities import findings


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


@pytest.mark.parametrize("licences", [(), ("AGPL-3.0-only",), ("MIT", "AGPL-3.0-only")])
def test_a_package_without_a_licence_or_under_another_one_is_not_allowed(licences: tuple[str, ...]) -> None:
    assert not Licensed("a", "1.0", licences).is_allowed


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
