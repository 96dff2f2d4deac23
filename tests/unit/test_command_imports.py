"""Who asks for help, or for one noun, does not wait for what that does not need."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence

from coordinator.cli.main import main as coordinator
from gateway.wording.languages import SpeakingGroup
from region_node.cli.main import main as region_node

PROGRAMS: Mapping[str, SpeakingGroup] = {"region_node": region_node, "coordinator": coordinator}
SERVING = ("etcd3", "grpc_reflection.v1alpha", "opentelemetry", "psycopg", "uvloop")
"""What servers and stores are made of."""
RUN = """
import contextlib, io, json, sys
from {program}.cli.main import main
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
    main({words!r})
print(json.dumps(sorted(sys.modules)))
"""


def modules_of(program: str, *words: str) -> Sequence[str]:
    """The modules that a command has imported at its end, in a process of its own."""
    script = RUN.format(program=program, words=words)
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    found: list[str] = json.loads(told.stdout)
    return found


def within(modules: Sequence[str], *packages: str) -> set[str]:
    return {each for each in modules for package in packages if f"{each}.".startswith(f"{package}.")}


def nouns(program: str) -> set[str]:
    """The modules of the doors of all nouns."""
    return {place.partition(":")[0] for place in PROGRAMS[program].places.values()}


def test_the_list_of_commands_is_told_without_importing_any() -> None:
    for program in PROGRAMS:
        modules = modules_of(program, "--help")
        assert f"{program}.cli.main" in modules
        assert not nouns(program) & {*modules}, program
        assert not within(modules, *SERVING, "cryptography", "rich", "jinja2"), program


def test_the_help_of_a_noun_imports_no_other_noun_no_server_and_no_store() -> None:
    for program in PROGRAMS:
        modules = modules_of(program, "orders", "--help")
        assert nouns(program) & {*modules} == {f"{program}.cli.orders.orders"}, program
        assert not within(modules, *SERVING), program


def test_the_list_of_commands_says_the_first_paragraph_of_the_help_of_each() -> None:
    for program, group in PROGRAMS.items():
        told = group.summaries()
        assert told.keys() == group.places.keys(), program
        for name, summary in told.items():
            command = group.whole().commands[name]
            assert " ".join((command.help or "").split("\n\n")[0].split()) == summary, (program, name)
