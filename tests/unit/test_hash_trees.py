"""Hash trees as RFC 9162 defines them, and paths that lead to no root but their own."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.security.hash_trees import leaf, root_of, tree

SIZES = st.integers(1, 300)


def leaves_of(size: int) -> list[bytes]:
    return [leaf(bytes([index % 256]) * 16, index.to_bytes(2, "big")) for index in range(size)]


def left_of(size: int) -> int:
    """The largest power of two below a size."""
    return 1 << (size - 1).bit_length() - 1


def defined_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162, 2.1.1, of hashes of leaves."""
    if len(leaves) == 1:
        return leaves[0]
    left = left_of(len(leaves))
    return sha256(b"\1" + defined_root(leaves[:left]) + defined_root(leaves[left:])).digest()


def defined_path(index: int, leaves: list[bytes]) -> bytes:
    """PATH of RFC 9162, 2.1.3.1, of hashes of leaves."""
    if len(leaves) == 1:
        return b""
    left = left_of(len(leaves))
    if index < left:
        return defined_path(index, leaves[:left]) + defined_root(leaves[left:])
    return defined_path(index - left, leaves[left:]) + defined_root(leaves[:left])


def test_a_leaf_is_the_hash_of_a_zero_byte_the_salt_and_the_content() -> None:
    assert leaf(b"salt", b"content") == sha256(b"\x00saltcontent").digest()


def test_root_and_paths_are_those_of_the_definition() -> None:
    wrong = []
    for size in (*range(1, 35), 63, 64, 65, 128, 300):
        leaves = leaves_of(size)
        if tree(leaves) != (defined_root(leaves), [defined_path(index, leaves) for index in range(size)]):
            wrong.append(size)
    assert wrong == []


@given(SIZES)
def test_every_leaf_leads_to_the_root(size: int) -> None:
    leaves = leaves_of(size)
    root, paths = tree(leaves)
    assert {root_of(each, index, size, paths[index]) for index, each in enumerate(leaves)} == {root}


@given(SIZES, st.data())
def test_a_leaf_leads_to_the_root_from_its_own_place_alone(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    root, paths = tree(leaves)
    index = data.draw(st.integers(0, size - 1))
    others = [*range(-1, index), *range(index + 1, size + 2), size + 65_536]
    assert [each for each in others if root_of(leaves[index], each, size, paths[index]) == root] == []


@given(SIZES, st.data())
def test_a_path_of_another_length_leads_nowhere(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    _, paths = tree(leaves)
    index = data.draw(st.integers(0, size - 1))
    path = paths[index]
    longer = [path + data.draw(st.binary(min_size=1, max_size=70)), path + bytes(32)]
    shorter = [path[:length] for length in range(len(path))]
    assert [root_of(leaves[index], index, size, each) for each in (*longer, *shorter)] == [None] * (
        len(longer) + len(shorter)
    )


@given(st.integers(2, 300), st.data())
def test_the_bytes_of_a_node_are_no_content(size: int, data: st.DataObject) -> None:
    leaves = leaves_of(size)
    root, paths = tree(leaves)
    index = data.draw(st.integers(0, (size - 2) // 2))
    node = leaves[2 * index] + leaves[2 * index + 1]
    above = (size + 1) // 2
    for salt, content in ((b"", node), (node[:16], node[16:]), (b"", b"\1" + node)):
        assert root_of(leaf(salt, content), index, above, paths[2 * index][32:]) != root


def test_a_tree_has_one_leaf_at_least_and_no_more_than_its_size_tells() -> None:
    for count in (0, 65_536):
        with pytest.raises(ValueError, match=str(count)):
            tree([bytes(32)] * count)
    root, paths = tree([bytes(32)] * 65_535)
    assert root_of(bytes(32), 65_534, 65_535, paths[-1]) == root
