"""A process follows the file of the region's keys, and whatever happens in between, what was sealed stays readable."""

import logging
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.maintenance.rotation import KeyFile
from gateway.security.region_keys import KeySet, RegionKeys, RegionKeysUnusable
from gateway.store import vault
from gateway.store.sqlite import SqliteTransaction
from tests.empty_database import empty_database

SECRET = "欧阳娜娜".encode()


@pytest.fixture(name="file")
def a_file_of_keys(tmp_path: Path) -> Path:
    path = tmp_path / "region.keys"
    KeySet.new().save(path)
    return path


def test_a_file_that_has_changed_is_taken_over_once(file: Path) -> None:
    followed = KeyFile(file)
    assert not followed.look()
    rotated = KeySet.load(file).rotated()
    rotated.save(file)
    assert followed.look()
    assert followed.keys.set == rotated
    assert not followed.look()


def broken(file: Path) -> None:
    """Half of a file."""
    file.write_text("index 1")


def foreign(file: Path) -> None:
    """The keys of another region."""
    KeySet.new().save(file)


def gone(file: Path) -> None:
    """No file."""
    file.unlink()


@pytest.mark.parametrize("spoil", [broken, foreign, gone])
def test_a_broken_or_foreign_file_is_logged_and_the_keys_stay(
    file: Path, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    followed, before = KeyFile(file), KeySet.load(file)
    spoil(file)
    with caplog.at_level(logging.ERROR):
        assert not followed.look()
        assert not followed.look()
    assert followed.keys.set == before
    assert [record.getMessage()[:36] for record in caplog.records] == ["the region's keys stay as they are: "]
    before.rotated().save(file)
    assert followed.look()


def test_a_process_cannot_start_without_its_keys(file: Path) -> None:
    file.unlink()
    with pytest.raises(RegionKeysUnusable, match="keys create"):
        KeyFile(file)


def test_a_key_that_another_process_has_seen_before_is_looked_for_at_once(file: Path) -> None:
    followed = KeyFile(file)
    with closing(empty_database("gateway")) as connection:
        KeySet.load(file).rotated().save(file)
        ahead = SqliteTransaction(connection, RegionKeys(KeySet.load(file)))
        sealed = vault.seal(ahead, "customer/1", "customers", SECRET)
        behind = SqliteTransaction(connection, followed.keys)
        assert vault.open_sealed(behind, "customer/1", "customers", sealed) == SECRET


def test_a_page_with_a_key_that_cannot_be_unwrapped_is_left_as_it_was(file: Path) -> None:
    keys = RegionKeys(KeySet.load(file))
    with closing(empty_database("gateway")) as connection:
        tx = SqliteTransaction(connection, keys)
        for each in range(3):
            vault.seal(tx, f"customer/{each}", "customers", SECRET)
        tx.execute("UPDATE data_keys SET wrapped_by = 'lost' WHERE subject = 'customer/2'")
        keys.replace(keys.set.rotated())
        before = vault.count_wrapped(tx)
        with pytest.raises(vault.SealBroken, match="lost is not in the file"):
            vault.rewrap_page(tx, 10)
        assert vault.count_wrapped(tx) == before


ROTATE, SEAL, WRAP, PRUNE, DESTROY = "rotate", "seal", "wrap", "prune", "destroy"


@given(st.lists(st.sampled_from([ROTATE, SEAL, WRAP, PRUNE, DESTROY]), max_size=30))
def test_whatever_is_rotated_wrapped_pruned_and_destroyed_the_rest_stays_readable(steps: list[str]) -> None:
    with closing(empty_database("gateway")) as connection:
        keys = RegionKeys(KeySet.new())
        tx = SqliteTransaction(connection, keys)
        sealed: dict[str, bytes] = {}
        for number, step in enumerate(steps):
            if step == ROTATE:
                keys.replace(keys.set.rotated())
            elif step == SEAL:
                sealed[f"customer/{number}"] = vault.seal(tx, f"customer/{number}", "customers", SECRET)
            elif step == WRAP:
                vault.rewrap_page(tx, 2)
            elif step == PRUNE:
                wrapping = vault.count_wrapped(tx)
                keys.replace(keys.set.without([key.id for key in keys.set.wrapping if key.id not in wrapping]))
            elif sealed:
                vault.destroy(tx, [sealed.popitem()[0]])
            assert all(vault.open_sealed(tx, subject, "customers", each) == SECRET for subject, each in sealed.items())
        while vault.rewrap_page(tx, 2):
            pass
        assert set(vault.count_wrapped(tx)) <= {keys.set.in_use.id}
        assert sum(vault.count_wrapped(tx).values()) == len(sealed)
