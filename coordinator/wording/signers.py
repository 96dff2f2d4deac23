"""The administrators who have signed a revision of the configuration, as pages and commands show them."""

from collections.abc import Sequence

from gateway.wording.languages import enumerated, translated


def told_signers(names: Sequence[str], threshold: int) -> str:
    """The administrators who have signed, and how many must."""
    return translated(
        "{count} of {threshold}: {names}", count=len(names), threshold=threshold, names=enumerated(names) or "–"
    )
