"""`coordinator complaints classify`: the proposals of the words in force for the texts of a file."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich.progress import track
from rich.table import Table
from rich.text import Text

from coordinator.cli.asking import json_option
from coordinator.cli.complaints.classification_rules import DESK, Measured, measured
from coordinator.cli.complaints.labelled_file import Labelled, read_labelled
from coordinator.cli.completing import complete_regions
from coordinator.cli.connection import Connection, connected_if_told
from coordinator.cli.exit_codes import EPILOG
from coordinator.cli.federation.in_force import in_force
from gateway.cli.exits import NotDone
from gateway.cli.terminal import error_output, output
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.federation.complaint_classifier import Proposal
from gateway.federation.files import ConfigurationError, load
from gateway.federation.rules import problems
from gateway.wording.languages import refusal, translated

_SHOWN = 40  # characters of a text in a table

_Answers = Sequence[tuple[Labelled, Proposal]]


@click.command(epilog=EPILOG)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Take the words from the files in this directory instead of the configuration in force.",
)
@click.option(
    "--region",
    default="",
    shell_complete=complete_regions,
    help="Be as sure as this region asks for; else as the federation does.",
)
@connected_if_told
@json_option
def classify(connection: Connection | None, file: Path, directory: Path | None, region: str, as_json: bool) -> None:
    """Propose a category for each text of FILE, or measure the proposals where FILE says what is right.

    FILE is CSV or TSV in UTF-8; its first line names the columns: text, and category where people gave one. A text
    that has no clear category is for the desk: a person decides.

    Of a labelled file it prints how many proposals were right (accuracy), for how many texts there was one (coverage),
    both for each category, and what was taken for what. A category that the federation does not have is a mistake in
    the file. --json prints a line for each text, and a last one with the measures.

    \b
    Examples:
      coordinator complaints classify texts.csv
      coordinator complaints classify deploy/complaints/held-out.tsv --directory deploy/federation
      coordinator complaints classify texts.csv --json > proposals.jsonl
    """
    texts = read_labelled(file)
    federation = _federation(connection, directory)
    is_labelled = any(each.category for each in texts)
    try:
        if is_labelled:
            _require_known(file, texts, federation)
        regions = [federation.region(region).id] if region else []
        answers = [
            (each, federation.propose_complaint_category(each.text, regions)) for each in _with_progress(texts, as_json)
        ]
    except Refused as error:
        raise NotDone([refusal(error)]) from error
    found = measured((text.category, answer.category) for text, answer in answers if text.category)
    if as_json:
        _print_lines(answers, found if is_labelled else None)
    elif is_labelled:
        _print_measures(found)
    else:
        _print_proposals(answers)


def _federation(connection: Connection | None, directory: Path | None) -> Federation:
    if directory is not None:
        try:
            configuration = load(directory)
        except ConfigurationError as error:
            raise NotDone(error.problems) from None
        if found := [each for each in problems(configuration) if each.startswith(("complaint_", "policies"))]:
            raise NotDone(found)
        return Federation(0, configuration)
    if connection is None:
        raise click.UsageError(
            translated("say --directory, or --coordinator, --credentials and --federation of the coordinator to ask")
        )
    response = in_force(connection)
    return Federation(response.federation_revision, response.configuration)


def _require_known(file: Path, texts: Sequence[Labelled], federation: Federation) -> None:
    """Raises NotDone for labels that are no category, and for texts without one among others that have it."""
    known = {category.code for category in federation.complaint_categories}
    wrong = [
        translated(
            "{path}:{line}: there is no category {category!r}", path=file, line=each.line, category=each.category
        )
        for each in texts
        if each.category not in known
    ]
    if wrong:
        raise NotDone(wrong)


def _with_progress(texts: Sequence[Labelled], as_json: bool) -> Iterable[Labelled]:
    return track(
        texts,
        description=translated("Classifying"),
        console=error_output(),
        disable=as_json or not sys.stderr.isatty(),
        transient=True,
    )


def _print_lines(answers: _Answers, found: Measured | None) -> None:
    for text, answer in answers:
        told: dict[str, object] = {
            "line": text.line,
            "category": answer.category or None,
            "confidence": round(answer.confidence, 4),
            "candidates": [
                {
                    "category": each.category,
                    "confidence": round(each.confidence, 4),
                    "words": [word.text for word in each.words],
                }
                for each in answer.candidates
            ],
        }
        if text.category:
            told["labelled"] = text.category
        click.echo(json.dumps(told, ensure_ascii=False))
    if found is not None:
        measures = {"accuracy": found.accuracy, "coverage": found.coverage, **asdict(found)}
        click.echo(json.dumps({"measured": measures}, ensure_ascii=False))


def _print_proposals(answers: _Answers) -> None:
    table = _table(
        translated("line"),
        translated("category"),
        translated("confidence"),
        translated("words"),
        translated("text"),
        numbers=(0, 2),
    )
    for text, answer in answers:
        words = answer.candidates[0].words if answer.candidates else ()
        shown = text.text if len(text.text) <= _SHOWN else text.text[: _SHOWN - 1] + "…"
        table.add_row(
            str(text.line),
            Text(answer.category) if answer.category else _desk(),
            _percent(answer.confidence),
            Text(" ".join(word.text for word in words)),
            Text(shown.replace("\n", " ")),
        )
    output().print(table)
    for_desk = sum(not answer.category for _, answer in answers)
    click.echo(translated("{texts} texts, {desk} of them for the desk", texts=len(answers), desk=for_desk))


def _print_measures(found: Measured) -> None:
    out = output()
    table = _table(
        translated("category"), translated("texts"), translated("precision"), translated("recall"), numbers=(1, 2, 3)
    )
    for fit in found.fits:
        table.add_row(fit.category, str(fit.texts), _percent(fit.precision), _percent(fit.recall))
    out.print(table)
    if found.confused:
        confused = _table(translated("labelled"), translated("proposed"), translated("texts"), numbers=(2,))
        for wanted, proposed, count in found.confused:
            confused.add_row(wanted, _desk() if proposed == DESK else Text(proposed, style="red"), str(count))
        out.print()
        out.print(confused)
    out.print()
    click.echo(
        translated(
            "accuracy {accuracy}: {right} of {proposed} proposals are right; coverage {coverage}: {desk} of {texts}"
            " texts are for the desk",
            accuracy=_percent(found.accuracy) or "-",
            right=found.right,
            proposed=found.proposed,
            coverage=_percent(found.coverage),
            desk=found.texts - found.proposed,
            texts=found.texts,
        )
    )


def _table(*columns: str, numbers: Sequence[int]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for position, column in enumerate(columns):
        table.add_column(column, overflow="fold", justify="right" if position in numbers else "left")
    return table


def _desk() -> Text:
    return Text(translated("for the desk"), style="yellow")


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
