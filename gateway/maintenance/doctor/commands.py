"""The command `doctor` of a program."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict
from typing import Any

import click
from rich.text import Text

from gateway.cli.terminal import print_table
from gateway.maintenance.doctor.findings import Finding, State
from gateway.maintenance.program import Program, S
from gateway.settings import Sources
from gateway.wording.languages import enumerated, speak_to_programs, translated

_STYLES = {State.GOOD: "green", State.WARNING: "yellow", State.BAD: "bold red", State.NOT_CHECKED: "dim"}
_HELP = """Look at everything that `{program} serve` needs, and say what to do about what is not well.

It works beside the running process and without it, changes nothing, and shows no secret. Each check is good, a warning,
bad, or not checked.

\b
Example:
  {program} doctor --settings {program}.toml

\b
Exit codes: 0 nothing is bad, 1 something is bad (with --strict, or a warning), 2 wrong usage or settings.
"""

Examination = Callable[[Sources, S], Coroutine[Any, Any, Sequence[Finding]]]


def doctor_command(program: Program[S], examine: Examination[S]) -> click.Command:
    """The command of a program. `examine` is given the settings, and says what it found."""

    @click.command("doctor")
    @program.settings_options
    @click.option("--strict", is_flag=True, help="Fail on warnings too.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
    @click.pass_context
    def doctor(context: click.Context, sources: Sources, strict: bool, as_json: bool) -> None:
        if as_json:
            speak_to_programs()
        findings = asyncio.run(examine(sources, program.settings(sources)))
        counts = Counter(each.state for each in findings)
        if as_json:
            checks = [asdict(each) for each in findings]
            summary = {state.value: counts[state] for state in State}
            click.echo(json.dumps({"checks": checks, "summary": summary}, indent=2, ensure_ascii=False))
        else:
            print_table(
                (translated("check"), translated("state"), translated("found"), translated("what to do")),
                [
                    (each.name, Text(translated(each.state), _STYLES[each.state]), each.found, each.todo)
                    for each in findings
                ],
            )
            click.echo(enumerated(f"{counts[state]} {translated(state)}" for state in State if counts[state]))
        context.exit(1 if counts[State.BAD] or (strict and counts[State.WARNING]) else 0)

    doctor.help = _HELP.format(program=program.name)
    return doctor
