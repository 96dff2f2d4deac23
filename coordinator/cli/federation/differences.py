"""The differences of two configurations for people."""

from collections.abc import Sequence

from rich.text import Text

from gateway.cli.terminal import output
from gateway.federation.rules import Change


def print_changes(changes: Sequence[Change]) -> None:
    """Prints each change on a line of its own."""
    out = output()
    for change in changes:
        if change.old is None:
            out.print(Text(f"+ {change.path}: {change.new}", style="green"))
        elif change.new is None:
            out.print(Text(f"- {change.path}: {change.old}", style="red"))
        else:
            out.print(Text(f"~ {change.path}: {change.old} → {change.new}", style="yellow"))
