"""Personal data at rest: what is sealed for one subject and place opens there alone, until its key is destroyed."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from gateway.security.region_keys import KeySet, RegionKeys, RegionKeysUnusable
from gateway.store import vault
from gateway.store.group_commit import start_batch
from gateway.store.port import Operation, Transaction
from gateway.store.schema import migrations_of
from gateway.store.sqlite import SqliteDatabase, SqliteTransaction
from gateway.store.sqlite_schema import apply
from region_node.node.witnessing.notifier import key_proven, proven_key
from tests.empty_database import empty_database

SECRET = "欧阳娜娜".encode()


@pytest.fixture
def tx() -> Iterator[SqliteTransaction]:
    with closing(empty_database("gateway")) as connection:
        yield SqliteTransaction(connection, RegionKeys(KeySet.new()))


def test_what_is_sealed_opens_for_its_subject_and_place(tx: SqliteTransaction) -> None:
    sealed = vault.seal(tx, "customer/1", "customers", SECRET)
    assert SECRET not in sealed
    assert vault.open_sealed(tx, "customer/1", "customers", sealed) == SECRET


def test_the_same_content_is_never_sealed_to_the_same_bytes(tx: SqliteTransaction) -> None:
    assert vault.seal(tx, "customer/1", "customers", SECRET) != vault.seal(tx, "customer/1", "customers", SECRET)


@pytest.mark.parametrize("cut", [0, 5, -1])
def test_what_was_altered_does_not_open(tx: SqliteTransaction, cut: int) -> None:
    sealed = bytearray(vault.seal(tx, "customer/1", "customers", SECRET))
    sealed[cut] ^= 1
    with pytest.raises((vault.SealBroken, vault.KeyDestroyed)):
        vault.open_sealed(tx, "customer/1", "customers", bytes(sealed))


def test_what_was_sealed_for_one_place_opens_at_no_other(tx: SqliteTransaction) -> None:
    sealed = vault.seal(tx, "customer/1", "customers", SECRET)
    with pytest.raises(vault.SealBroken):
        vault.open_sealed(tx, "customer/1", "notices", sealed)


def test_what_was_sealed_for_one_subject_opens_for_no_other(tx: SqliteTransaction) -> None:
    sealed = vault.seal(tx, "customer/1", "customers", SECRET)
    vault.seal(tx, "customer/2", "customers", SECRET)
    with pytest.raises(vault.KeyDestroyed):
        vault.open_sealed(tx, "customer/2", "customers", sealed)


def test_once_its_key_is_destroyed_nothing_of_a_subject_opens_also_not_under_its_next_key(
    tx: SqliteTransaction,
) -> None:
    sealed = vault.seal(tx, "customer/1", "customers", SECRET)
    assert len(vault.destroy(tx, ["customer/1", "customer/nobody"])) == 1
    with pytest.raises(vault.KeyDestroyed):
        vault.open_sealed(tx, "customer/1", "customers", sealed)
    again = vault.seal(tx, "customer/1", "customers", SECRET)
    assert vault.open_sealed(tx, "customer/1", "customers", again) == SECRET
    with pytest.raises(vault.KeyDestroyed):
        vault.open_sealed(tx, "customer/1", "customers", sealed)


def test_operations_of_one_commit_share_a_new_key_until_one_of_them_destroys_it() -> None:
    def sealing(tx: Transaction) -> bytes:
        return vault.seal(tx, "customer/1", "customers", SECRET)

    def opening(tx: Transaction) -> list[bytes | None]:
        return [vault.open_if_kept(tx, "customer/1", "customers", each) for each in sealed]

    sealed: list[bytes] = []
    steps: list[Operation[object]] = [
        *[lambda tx: sealed.append(sealing(tx))] * 2,
        opening,
        lambda tx: len(vault.destroy(tx, ["customer/1"])),
        lambda tx: sealed.append(sealing(tx)),
        opening,
    ]
    database = SqliteDatabase(":memory:", RegionKeys(KeySet.new()))
    with closing(database):
        apply(database.connection, migrations_of("gateway"))
        outcomes = start_batch(database, steps)
        assert outcomes is not None
        found = [SECRET, SECRET], 1, None, [None, None, SECRET]
        assert [each.result for each in outcomes[2:]] == [*found]
        database.commit()
        assert opening(database.transaction()) == found[-1]
        assert list(vault.count_wrapped(database.transaction()).values()) == [1]


def test_what_an_older_version_has_sealed_opens_and_ends_with_what_was_sealed_since(
    tx: SqliteTransaction,
) -> None:
    before = vault.seal(tx, "order/henan/1", "outbox/1", SECRET)
    assert vault.open_sealed(tx, "envelope/henan/1", "outbox/1", before) == SECRET
    since = vault.seal(tx, "envelope/henan/1", "outbox/2", SECRET)
    both = [vault.Sealing("envelope/henan/1", f"outbox/{number}", each) for number, each in ((1, before), (2, since))]
    assert vault.open_many(tx, both) == [SECRET, SECRET]
    assert len(vault.key_ids_of(tx, ["envelope/henan/1"])) == 2
    assert len(vault.destroy(tx, ["envelope/henan/1"])) == 2
    assert vault.open_many(tx, both) == [None, None]


def test_a_key_that_came_back_with_a_backup_is_destroyed_by_its_id(tx: SqliteTransaction) -> None:
    vault.seal(tx, "customer/1", "customers", SECRET)
    (key_id,) = vault.destroy(tx, ["customer/1"])
    assert vault.destroy_by_id(tx, [key_id]) == 0
    tx.execute(
        "INSERT INTO data_keys (subject, key_id, wrapped, wrapped_by) VALUES ('customer/1', :id, :wrapped, 'x')",
        id=key_id,
        wrapped=b"",
    )
    assert vault.destroy_by_id(tx, [key_id]) == 1


def test_the_regions_key_rotates_page_by_page_and_everything_opens_all_the_time(tx: SqliteTransaction) -> None:
    sealed = {f"customer/{n}": vault.seal(tx, f"customer/{n}", "customers", SECRET) for n in range(5)}
    keys = tx.keys
    assert keys is not None
    before = keys.set.in_use.id
    keys.replace(keys.set.rotated())
    left = []
    while vault.rewrap_page(tx, 2):
        left.append(vault.wrapped_by(tx, before))
        assert all(vault.open_sealed(tx, subject, "customers", each) == SECRET for subject, each in sealed.items())
    assert left == [3, 1, 0]
    keys.replace(KeySet(keys.set.index, keys.set.wrapping[:1]))
    assert all(vault.open_sealed(tx, subject, "customers", each) == SECRET for subject, each in sealed.items())


def test_a_value_is_found_by_an_index_that_tells_it_to_nobody_without_the_key(tx: SqliteTransaction) -> None:
    number = "+8613800005678"
    assert vault.index_of(tx, "number", number) == vault.index_of(tx, "number", number)
    assert vault.index_of(tx, "number", number) != vault.index_of(tx, "identity", number)
    other = SqliteTransaction(tx._connection, RegionKeys(KeySet.new()))
    assert vault.index_of(other, "number", number) != vault.index_of(tx, "number", number)


def test_a_witness_names_no_key_that_the_region_has_not_told_it_of(tx: SqliteTransaction) -> None:
    told = proven_key(tx, "a1" * 12)
    assert len(told) <= 64, "as a witness of an earlier version takes it"
    assert key_proven(tx, told) == "a1" * 12
    other = SqliteTransaction(tx._connection, RegionKeys(KeySet.new()))
    forged = ["a1" * 12, "b2" * 12 + told[24:], proven_key(other, "a1" * 12), "", ".", "密" * 20, f"{told}0"]
    assert [key_proven(tx, each) for each in forged] == [""] * len(forged)


def test_a_file_of_keys_is_read_as_it_was_written() -> None:
    keys = KeySet.new().rotated()
    assert KeySet.read(keys.written().decode()) == keys


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda lines: lines[2:], "one line `index`"),
        (lambda lines: lines[:2], "one line `wrapping`"),
        (lambda lines: [*lines, "wrapping x short"], "line 4 is not 32 bytes"),
        (lambda lines: [*lines, "other x y"], "line 4 is neither"),
        (lambda lines: [*lines, lines[2]], "same id"),
    ],
)
def test_a_broken_file_of_keys_is_refused_without_telling_a_key(change: object, told: str) -> None:
    assert callable(change)
    lines = KeySet.new().written().decode().splitlines()
    with pytest.raises(ValueError, match=told) as refused:
        KeySet.read("\n".join(change(lines)))
    assert lines[2].split()[2] not in str(refused.value)


def test_the_keys_of_another_region_are_not_taken_over() -> None:
    with pytest.raises(RegionKeysUnusable, match="index key"):
        RegionKeys(KeySet.new()).replace(KeySet.new())
