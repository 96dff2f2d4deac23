"""Paths through the network as tables for people."""

from collections.abc import Sequence

import click
from rich.text import Text

from coordinator.wording.elements import LINK, SITE, told_elements
from coordinator.wording.paths import (
    told_basis,
    told_delay,
    told_down,
    told_gain,
    told_left,
    told_loss,
    told_shared,
    told_verdict,
)
from gateway.api.coordinator.v1 import path_service_pb2 as contract
from gateway.cli.problems import Names
from gateway.cli.terminal import print_table
from gateway.wording.languages import enumerated, translated
from gateway.wording.terms import region_name

Row = Sequence[str | Text]


def print_ways(response: contract.FindPathsResponse, quality_class: str, names: Names) -> None:
    """Prints the best path and the alternative, each with its quality now and after the changes."""
    if down := told_down(response.down, names):
        click.echo(down)
    if response.HasField("changed"):
        click.echo(translated("Before"))
    _print_site_paths(response.paths, quality_class, names)
    if response.HasField("changed"):
        click.echo(translated("After"))
        _print_site_paths(response.changed, quality_class, names)
        if gain := told_gain(response.paths, response.changed):
            click.echo(gain)


def print_matrix(response: contract.GetPathMatrixResponse, quality_class: str, names: Names) -> None:
    """Prints a line for each pair of regions."""
    if down := told_down(response.down, names):
        click.echo(down)
    columns = [
        translated("starts at"),
        translated("ends at"),
        translated("delay"),
        translated("variation"),
        translated("loss"),
        translated("alternative"),
        translated("shared links"),
    ]
    if quality_class:
        columns[5:5] = [quality_class, translated("left")]
    has_changes = any(pair.HasField("changed") for pair in response.pairs)
    if has_changes:
        columns.append(translated("delay after"))
    if has_changes and quality_class:
        columns.append(translated("{quality_class} after", quality_class=quality_class))
    print_table(columns, [_pair_row(pair, quality_class, names, has_changes=has_changes) for pair in response.pairs])
    apart = enumerated(
        f"{region_name(pair.start)} {region_name(pair.end)}" for pair in response.pairs if pair.paths.apart
    )
    if apart:
        click.echo(
            translated(
                "Two paths that share less, without the best one: {pairs}; `network paths` shows them.", pairs=apart
            )
        )


def _pair_row(pair: contract.RegionPaths, quality_class: str, names: Names, *, has_changes: bool) -> Row:
    best, alternative = pair.paths.best, pair.paths.alternative
    is_reached = pair.paths.HasField("best")
    row: list[str | Text] = [region_name(pair.start), region_name(pair.end), *_figures(best, is_reached=is_reached)]
    if quality_class:
        row += [_verdict(best), told_left(best.budget)] if is_reached else ["", ""]
    row.append(told_delay(alternative.quality.delay_us) if pair.paths.HasField("alternative") else "–")
    row.append(told_elements(LINK, pair.paths.shared_links, names))
    if has_changes:
        is_reached = pair.changed.HasField("best")
        row.append(told_delay(pair.changed.best.quality.delay_us) if is_reached else translated("no way"))
        if quality_class:
            row.append(_verdict(pair.changed.best) if is_reached else "")
    return row


def _figures(path: contract.NetworkPath, *, is_reached: bool) -> list[str]:
    if not is_reached:
        return [translated("no way"), "", ""]
    quality = path.quality
    return [told_delay(quality.delay_us), told_delay(quality.delay_variation_us), told_loss(quality.loss_ppb)]


def _verdict(path: contract.NetworkPath) -> Text:
    return Text(told_verdict(path), style="" if path.budget.kept else "red")


def _print_site_paths(found: contract.SitePaths, quality_class: str, names: Names) -> None:
    for is_there, path, title in (
        (found.HasField("best"), found.best, translated("Best path")),
        (found.HasField("alternative"), found.alternative, translated("Alternative")),
    ):
        if is_there:
            click.echo(title)
            _print_path(path, quality_class, names)
    if shared := told_shared(found, names):
        click.echo(shared)
    if found.apart:
        click.echo(translated("Two paths that share less with each other, without the best one"))
        for path in found.apart:
            _print_path(path, quality_class, names)


def _print_path(path: contract.NetworkPath, quality_class: str, names: Names) -> None:
    columns = [
        translated("link"),
        translated("starts at"),
        translated("ends at"),
        translated("delay"),
        translated("variation"),
        translated("loss"),
        translated("figures"),
    ]
    rows: list[Row] = [
        (
            told_elements(LINK, [hop.link], names),
            told_elements(SITE, [hop.start], names),
            told_elements(SITE, [hop.end], names),
            told_delay(hop.quality.delay_us),
            told_delay(hop.quality.delay_variation_us),
            told_loss(hop.quality.loss_ppb),
            told_basis(hop),
        )
        for hop in path.hops
    ]
    rows.append((translated("together"), "", "", *_figures(path, is_reached=True), ""))
    print_table(columns, rows)
    if quality_class:
        left = told_left(path.budget)
        click.echo(
            translated(
                "{quality_class}: {verdict}; left: {left}",
                quality_class=quality_class,
                verdict=told_verdict(path),
                left=left,
            )
        )
