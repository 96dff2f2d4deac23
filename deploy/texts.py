"""Keeps the Chinese texts of the two commands complete, and compiles them.

    python -m deploy.texts            take new texts into the catalogues, and compile them
    python -m deploy.texts --check    fail, naming them, where a text has no translation or a file is stale

A program's texts are in `<package>/texts/zh.po`; what both say, and what click says, in `gateway/texts/zh.po`. They are
compiled into `<package>/texts/zh/LC_MESSAGES/messages.mo`, which gettext reads. `<package>/texts/commands.tsv` says
what each command does, for the list of them.
"""

import argparse
import ast
import io
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import click
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from coordinator.cli.main import main as coordinator
from gateway.federation.policy_rules import REMEDIES
from gateway.wording.acts import acts
from gateway.wording.languages import SUMMARIES, SpeakingGroup, help_texts, helped
from gateway.wording.words import words
from region_node.cli.main import main as region_node
from region_node.console.words import NOTICES
from region_node.network.measurements.causes import CAUSES

ROOT = Path(__file__).resolve().parents[1]
SHARED = "gateway"
PROGRAMS: Mapping[str, SpeakingGroup] = {"region_node": region_node, "coordinator": coordinator}
FUNCTIONS = frozenset({"translated", "TableColumn"})  # their first argument is a text
_UNDATED = datetime(2000, 1, 1, tzinfo=UTC)  # the same texts give the same file, whenever they are compiled
_PARAMETER = re.compile(r"\{[^{}]*\}")


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing, and say what is missing")
    found = problems() if parser.parse_args().check else update()
    for problem in found:
        sys.stderr.write(f"texts: {problem}\n")
    return 1 if found else 0


def wanted_texts() -> dict[str, list[str]]:
    """The texts in the code, by the package whose catalogue holds them; what both programs say is shared."""
    found = {package: {*_told_in(package), *_help_of(group)} for package, group in PROGRAMS.items()}
    found["region_node"].update(CAUSES.values(), NOTICES.values())
    shared = {*_told_in(SHARED), *words(), *acts(), *REMEDIES} | set.intersection(*found.values())
    return {SHARED: sorted(shared), **{package: sorted(texts - shared) for package, texts in found.items()}}


def _help_of(group: SpeakingGroup) -> Iterator[str]:
    for owner in helped(group.whole()):
        yield from (text for text in help_texts(owner.help or "") if text)
        if isinstance(owner, click.Command) and owner.epilog:
            yield from (text for text in help_texts(owner.epilog) if text)


def _told_in(package: str) -> Iterator[str]:
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
                yield from _literals(path, node)


def _literals(path: Path, call: ast.Call) -> Iterator[str]:
    """The text of a call. Any other text cannot be translated here, and must be in a catalogue elsewhere."""
    first = call.args[0]
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        yield from filter(None, [first.value])
    elif isinstance(first, ast.JoinedStr):
        raise SystemExit(f"texts: {path}:{call.lineno}: an f-string cannot be translated; give parameters")


def update() -> list[str]:
    """Takes new texts into the catalogues, removes unused ones, and compiles; returns the missing translations."""
    for package, texts in wanted_texts().items():
        catalogue = _read(package)
        for text in texts:
            if text not in catalogue:
                catalogue.add(text)
        if package != SHARED:
            for message in list(catalogue):
                if message.id and message.id not in texts:
                    catalogue.delete(message.id)
        _po(package).parent.mkdir(parents=True, exist_ok=True)
        _po(package).write_bytes(_written(catalogue))
    for program in PROGRAMS:
        _summaries(program).write_text(_summarized(program), "utf-8")
        _mo(program).parent.mkdir(parents=True, exist_ok=True)
        _mo(program).write_bytes(_compiled(program))
    return problems()


def problems() -> list[str]:
    """Texts without a translation, or with other parameters in it, and files that are stale."""
    found = []
    for package, texts in wanted_texts().items():
        catalogue = _read(package)
        # The shared catalogue also has texts that no call names, such as those of click, and keeps what no code says.
        others = sorted(str(each.id) for each in catalogue if each.id and not each.string and each.id not in texts)
        found += [f"{_po(package).relative_to(ROOT)}: no translation of {text!r}, which no code has" for text in others]
        for text in texts:
            message = catalogue.get(text)
            if message is None or not message.string:
                found.append(f"{_po(package).relative_to(ROOT)}: no translation of {text!r}")
            elif set(_PARAMETER.findall(text)) != set(_PARAMETER.findall(str(message.string))):
                found.append(f"{_po(package).relative_to(ROOT)}: other parameters than in {text!r}")
    made = {_mo(each): _compiled(each) for each in PROGRAMS}
    made |= {_summaries(each): _summarized(each).encode() for each in PROGRAMS}
    stale = [file for file, content in made.items() if not file.exists() or file.read_bytes() != content]
    return [*found, *(f"{each.relative_to(ROOT)}: is stale; run `python -m deploy.texts`" for each in stale)]


def _summarized(program: str) -> str:
    """What each command of a program does, a line each, for the list of them."""
    group = PROGRAMS[program].whole()
    told = {name: next(help_texts(group.commands[name].help or "")) for name in sorted(group.places)}
    return "".join(f"{name}\t{summary}\n" for name, summary in told.items())


def _read(package: str) -> Catalog:
    if not _po(package).exists():
        return Catalog(locale="zh", charset="utf-8")
    with _po(package).open("rb") as file:
        return read_po(file, locale="zh", abort_invalid=True)


def _written(catalogue: Catalog) -> bytes:
    file = io.BytesIO()
    write_po(file, catalogue, width=120, omit_header=True, sort_output=True)
    return b'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n' + file.getvalue()


def _compiled(program: str) -> bytes:
    """The catalogue of a program as gettext reads it: its own texts and the shared ones."""
    merged = Catalog(locale="zh", charset="utf-8", creation_date=_UNDATED, revision_date=_UNDATED)
    for package in (SHARED, program):
        for message in _read(package):
            if message.id and message.string:
                merged.add(message.id, message.string)
    file = io.BytesIO()
    write_mo(file, merged)
    return file.getvalue()


def _po(package: str) -> Path:
    return ROOT / package / "texts" / "zh.po"


def _summaries(program: str) -> Path:
    return PROGRAMS[program].texts / SUMMARIES


def _mo(program: str) -> Path:
    return ROOT / program / "texts" / "zh" / "LC_MESSAGES" / "messages.mo"


if __name__ == "__main__":
    sys.exit(main())
