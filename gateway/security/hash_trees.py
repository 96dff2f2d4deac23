"""Hash trees over the contents of one commit: RFC 9162, 2.1, with SHA-256 and salted leaves.

A path shows hashes of neighbours. Each leaf has a random salt, so that nobody can guess a neighbour's content by them.
"""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256

SALT_BYTES = 16
_MOST_LEAVES = 65_535  # a proof tells size and place in 2 bytes each
_HASH_BYTES = 32
_REMEMBERED = 256  # nodes above leaves: those of two batches are verified one content after the other


def leaf(salt: bytes, content: bytes) -> bytes:
    """The hash (32 bytes) of a content (any bytes) behind its salt (SALT_BYTES)."""
    return sha256(b"\0" + salt + content).digest()


def tree(leaves: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    """The root of leaves, and the path of each: the hashes (32 bytes each) beside its way up, the lowest first.

    Raises ValueError for no leaf, and for more than 65,535.
    """
    if not 0 < len(leaves) <= _MOST_LEAVES:
        raise ValueError(f"a hash tree has 1 to {_MOST_LEAVES} leaves, not {len(leaves)}")
    levels = [list(leaves)]
    while len(level := levels[-1]) > 1:
        above = [_node(left, right) for left, right in zip(level[::2], level[1::2], strict=False)]
        # A last node without a neighbour stands on the next level as it is.
        levels.append([*above, level[-1]] if len(level) % 2 else above)
    (root,) = levels.pop()
    paths = [b""]
    for level in reversed(levels):
        beside = [each for pair in zip(level[1::2], level[::2], strict=False) for each in pair]
        if len(level) % 2:
            beside.append(b"")
        paths = [neighbour + paths[index // 2] for index, neighbour in enumerate(beside)]
    return root, paths


def root_of(leaf: bytes, index: int, size: int, path: bytes) -> bytes | None:
    """The root to which the path of leaf number `index` of `size` leads, by RFC 9162, 2.1.3.2.

    None for an index outside of the tree, and for a path of another length than index and size require.
    """
    if not 0 <= index < size:
        return None
    found, last, position = leaf, size - 1, 0
    while last:
        if index % 2 or index < last:
            neighbour = path[position : position + _HASH_BYTES]
            position += _HASH_BYTES
            found = _node_again(neighbour, found) if index % 2 else _node_again(found, neighbour)
        index, last = index // 2, last // 2
    return found if position == len(path) else None


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


@lru_cache(_REMEMBERED)
def _node_again(left: bytes, right: bytes) -> bytes:
    # The paths of one tree meet: most nodes on the way of a leaf are those of its neighbours' ways.
    return _node(left, right)
