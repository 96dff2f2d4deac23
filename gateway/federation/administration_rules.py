"""Rules for the administrators who sign revisions. Pure."""

from collections.abc import Iterator

from gateway.api.federation.v1.revision_pb2 import Administration
from gateway.federation.checks import label_problems, twice

KEY_BYTES = 32
MOST_ADMINISTRATORS = 32
DEFAULT_THRESHOLD = 2
"""Of files that write no threshold: the least by which one stolen key decides nothing."""


def is_one_enough(administration: Administration) -> bool:
    """Whether the signature of one administrator is enough: a thief of one key then decides about the federation."""
    return administration.threshold == 1


def administration_warnings(administration: Administration) -> list[str]:
    """A threshold by which one key alone replaces the configuration."""
    if not is_one_enough(administration):
        return []
    return [
        "administration.threshold: is 1, so one stolen key decides where every order goes; name two administrators or"
        " more, and raise it to 2"
    ]


def administration_problems(administration: Administration) -> Iterator[str]:
    """All that is wrong with the administrators of a configuration; nothing for one without any."""
    administrators = administration.administrators
    if not administrators and not administration.threshold:
        return
    if len(administrators) > MOST_ADMINISTRATORS:
        yield f"administration.administrators: there are more than {MOST_ADMINISTRATORS}"
    threshold, most = administration.threshold, len(administrators)
    if not 1 <= threshold <= most:
        yield f"administration.threshold: is {threshold}; must be 1 to {most}, the number of administrators"
    yield from twice("administration.administrators", (each.name for each in administrators))
    yield from twice("administration.administrators", (each.key.hex() for each in administrators))
    for each in administrators:
        path = f"administration.administrators[{each.name}]"
        yield from label_problems(f"{path}.name", each.name)
        if len(each.key) != KEY_BYTES:
            yield f"{path}.key: is not an Ed25519 public key of {KEY_BYTES} bytes in base64"
