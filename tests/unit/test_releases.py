"""The list of releases, and the comparison of the contract with the last of them."""

import datetime
from pathlib import Path

import pytest

from deploy import releases
from deploy.releases import Release, ReleaseError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def listed(directory: Path, text: str) -> Path:
    path = directory / "releases.yaml"
    path.write_text(text)
    return path


def test_releases_are_read_oldest_first(tmp_path: Path) -> None:
    text = "".join(f"\n- {{version: 0.{each}.0, commit: {COMMIT}, date: 2026-11-3{each}}}" for each in (0, 1))
    path = listed(tmp_path, "releases:" + text.replace("2026-11-31", "2026-12-01"))
    assert releases.releases(path) == [
        Release("0.0.0", COMMIT, datetime.date(2026, 11, 30)),
        Release("0.1.0", COMMIT, datetime.date(2026, 12, 1)),
    ]


def test_a_list_that_cannot_be_used_says_what_is_wrong(tmp_path: Path) -> None:
    for text, problem in {
        "": "is no list of releases",
        "releases: [{version: 1.0.0}]": "is no list of releases",
        "releases: [{version: 1.0.0, commit: main, date: 2026-11-30}]": "the commit of 1.0.0 is not",
        f"releases: [{{version: 1.0.0, commit: {COMMIT}, date: soon}}]": "the date of 1.0.0 is not",
    }.items():
        with pytest.raises(ReleaseError, match=problem):
            releases.releases(listed(tmp_path, text))


def test_the_list_of_the_project_can_be_used() -> None:
    assert all(each.version for each in releases.releases())


def test_a_commit_that_is_not_in_the_clone_is_told_with_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert releases.main(["--against", COMMIT]) == 1
    assert f"run `git fetch origin {COMMIT}`" in capsys.readouterr().err


def test_a_shallow_clone_without_the_last_release_is_not_compared(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = [Release("0.1.0", COMMIT, datetime.date(2026, 11, 30))]
    monkeypatch.setattr(releases, "releases", lambda: listed)
    assert releases.main([]) == 1, "a whole clone has every commit"
    monkeypatch.setattr(releases, "_is_shallow", lambda: True)
    assert releases.main([]) == 0
    assert "not compared with 0.1.0" in capsys.readouterr().out


def test_before_the_first_release_there_is_nothing_to_keep_to(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(releases, "releases", list)
    assert releases.main([]) == 0
    assert "no release yet" in capsys.readouterr().out


def test_a_field_that_is_gone_and_a_number_that_is_used_anew_break_peers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def of_a_peer(commit: str, target: Path, *paths: str) -> None:
        (target / "buf.yaml").write_text("version: v2\n")
        (target / "a.proto").write_text('syntax = "proto3";\nmessage A {\n  string b = 1;\n  string c = 2;\n}\n')

    (tmp_path / "buf.yaml").write_text("version: v2\nbreaking:\n  use:\n    - FILE\n")
    (tmp_path / "a.proto").write_text('syntax = "proto3";\nmessage A {\n  uint32 b = 1;\n}\n')
    monkeypatch.setattr(releases, "extract", of_a_peer)
    monkeypatch.setattr(releases, "ROOT", tmp_path)
    found = releases.breaks(COMMIT)
    assert 'Field "1" with name "b" on message "A" changed type' in found
    assert 'Previously present field "2" with name "c" on message "A" was deleted' in found
