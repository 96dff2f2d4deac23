"""The differences of two configurations for people."""

from collections.abc import Sequence

from rich.text import Text

from gateway.cli.terminal import error_output, output
from gateway.federation.rules import Change


def print_changes(changes: Sequence[Change], *, err: bool = False) -> None:
    """Prints each change on a line of its own; `err` chooses standard error."""
    out = error_output() if err else output()
    for change in changes:
        if change.old is None:
            out.print(Text(f"+ {change.path}: {change.new}", style="green"))
        elif change.new is None:
            out.print(Text(f"- {change.path}: {change.old}", style="red"))
        else:
            out.print(Text(f"~ {change.path}: {change.old} → {change.new}", style="yellow"))
