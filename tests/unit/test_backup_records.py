"""What backups keep in files is read as it was written, and nothing else is taken for it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.backups.copies import MANIFEST, Manifest
from gateway.backups.encoding import encoded
from gateway.backups.history import History
from gateway.backups.refused import CopyFailed
from gateway.backups.replaying import Reach

NOW = datetime(2026, 11, 24, 12, 0, 0, 17, tzinfo=UTC)
HISTORY = History(copy_time=NOW, timeline="a1", commits=7)
REACH = Reach(NOW, "a1", 7)
COPY = Manifest("admin/root", "sqlite", NOW, {"audit": 3}, 3, "00", "a1", 7)


def test_each_record_is_read_as_it_was_written_with_fields_of_a_later_version_beside(tmp_path: Path) -> None:
    for record in (HISTORY, REACH, COPY):
        record.write(tmp_path)
        assert type(record).read(tmp_path) == record
    for name in ("backups.json", "archived", MANIFEST):
        told = json.loads((tmp_path / name).read_bytes())
        assert (told["timeline"], told["commits"]) == ("a1", 7)
        (tmp_path / name).write_text(json.dumps({**told, "later": [1]}))
    assert (History.read(tmp_path), Reach.read(tmp_path), Manifest.read(tmp_path)) == (HISTORY, REACH, COPY)


def test_what_is_no_record_is_told_from_one(tmp_path: Path) -> None:
    wrong_number, wrong_time = encoded(HISTORY).replace(b"7", b'"7"'), encoded(COPY).replace(b"2026-11", b"2026-13")
    for content in (b"", b"\xff", b"7", b"null", b'{"timeline": "a1"', wrong_number, wrong_time, b"[]", b"{}"):
        for name in ("backups.json", "archived", MANIFEST):
            (tmp_path / name).write_bytes(content)
        assert History.read(tmp_path).copy_time is None, content
        assert Reach.read(tmp_path) is None, content
        with pytest.raises(CopyFailed, match="no manifest"):
            Manifest.read(tmp_path)
