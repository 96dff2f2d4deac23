"""How the ids of destroyed keys outlive the database."""

import os
from pathlib import Path

import pytest

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from region_node.node.erased_keys import ErasedKeyFile

IDS = [f"{each:024x}" for each in range(4)]


def test_ids_are_on_disk_each_once_and_read_again(tmp_path: Path) -> None:
    file = tmp_path / "erased-keys"
    remembered = ErasedKeyFile(file)
    assert not remembered.known
    remembered.add(IDS[:2])
    remembered.add([*IDS[1:3], IDS[2]])
    assert file.read_text().split() == IDS[:3]
    assert set(ErasedKeyFile(file).known) == set(IDS[:3])
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_line_that_a_crash_cut_short_spoils_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "erased-keys"
    file.write_text(f"{IDS[0]}\n{IDS[1][:7]}")
    remembered = ErasedKeyFile(file)
    assert set(remembered.known) == {IDS[0]}
    assert "1 lines are no ids" in caplog.text
    remembered.add([IDS[1], IDS[2]])
    assert set(ErasedKeyFile(file).known) == set(IDS[:3])


def test_where_an_id_cannot_be_kept_nothing_may_be_destroyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(file: int) -> None:
        raise OSError(5, "Input/output error")

    remembered = ErasedKeyFile(tmp_path / "erased-keys")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fails)
        with pytest.raises(Refused) as refused:
            remembered.add(IDS[:1])
    assert refused.value.reason == Reason.REASON_STORE_UNAVAILABLE
    assert not remembered.known
    remembered.add(IDS[:1])
    assert set(ErasedKeyFile(tmp_path / "erased-keys").known) == set(IDS[:1])
