"""The log of the changes of etcd: what belongs to it, and what a snapshot takes of it."""

from pathlib import Path

import pytest

from coordinator.registry.etcd.change_log import ChangeLog
from gateway.backups.refused import ArchiveGap

CLUSTER = 0xC1


def part(directory: Path, first: int, last: int) -> None:
    (directory / f"{first:020}-{last:020}").touch()


def test_a_log_goes_on_from_its_snapshot_and_begins_anew_behind_the_next_one(tmp_path: Path) -> None:
    log = ChangeLog(tmp_path / "changes")
    log.begin(CLUSTER, 7)
    part(tmp_path / "changes", 8, 9)
    assert [(each.first, each.last) for each in log.parts()] == [(8, 7), (8, 9)]
    log.begin(CLUSTER, 9)
    assert [(each.first, each.last) for each in log.parts()] == [(10, 9)]


def test_a_log_without_a_part_is_a_gap_and_a_file_of_another_name_is_none_of_it(tmp_path: Path) -> None:
    directory = tmp_path / "changes"
    log = ChangeLog(directory)
    with pytest.raises(ArchiveGap, match="no log"):
        log.parts()
    log.begin(CLUSTER, 7)
    part(directory, 8, 9)
    part(directory, 10, 12)
    (directory / ".half-written").touch()
    assert log.parts()[-1].last == 12
    (directory / f"{8:020}-{9:020}").unlink()
    with pytest.raises(ArchiveGap, match="lacks revision 8"):
        log.parts()


@pytest.mark.parametrize(
    ("cluster", "revision", "expected"),
    [(CLUSTER, 7, 2), (CLUSTER, 8, 2), (CLUSTER, 9, 0), (CLUSTER, 6, 0), (CLUSTER + 1, 7, 0)],
)
def test_a_snapshot_takes_the_changes_behind_it_of_its_own_cluster_alone(
    tmp_path: Path, cluster: int, revision: int, expected: int
) -> None:
    log = ChangeLog(tmp_path / "changes")
    assert not log.behind(cluster, revision), "there is no log"
    log.begin(CLUSTER, 7)
    part(tmp_path / "changes", 8, 9)
    assert len(log.behind(cluster, revision)) == expected
