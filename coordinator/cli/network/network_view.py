"""Paths through the network as tables for people."""

from collections.abc import Sequence

import click
from rich.text import Text

from gateway.api.coordinator.v1 import path_service_pb2 as contract
from gateway.cli.terminal import print_table
from gateway.wording.languages import translated

Row = Sequence[str | Text]


def told_delay(microseconds: int) -> str:
    """A delay, for example `40.125 ms`."""
    return f"{microseconds / 1000:.3f} ms"


def told_loss(parts: int) -> str:
    """Lost packets of 1,000,000,000, for example `0.0012 %`."""
    return f"{parts / 10_000_000:.6f}".rstrip("0").rstrip(".") + " %"


def told_left(budget: contract.QualityBudget) -> str:
    """The remaining budget of a class at each of its bounds, as text."""
    left = []
    if budget.HasField("delay_us"):
        left.append(translated("delay {left}", left=told_delay(budget.delay_us)))
    if budget.HasField("delay_variation_us"):
        left.append(translated("variation {left}", left=told_delay(budget.delay_variation_us)))
    if budget.HasField("loss_ppb"):
        left.append(translated("loss {left}", left=told_loss(budget.loss_ppb)))
    return ", ".join(left) or translated("no bound")


def told_verdict(path: contract.NetworkPath) -> str:
    """Whether a class is kept; empty where none was named."""
    if not path.HasField("budget"):
        return ""
    return translated("kept") if path.budget.kept else translated("not kept")


def print_ways(response: contract.FindPathsResponse, quality_class: str) -> None:
    """Prints the best path and the alternative, each with its quality now and after the changes."""
    _print_down(response.down)
    if response.HasField("changed"):
        click.echo(translated("Before"))
    _print_site_paths(response.paths, quality_class)
    if response.HasField("changed"):
        click.echo(translated("After"))
        _print_site_paths(response.changed, quality_class)
        if response.paths.HasField("best") and response.changed.HasField("best"):
            gain = response.changed.best.quality.delay_us - response.paths.best.quality.delay_us
            click.echo(translated("The delay changes by {delay}.", delay=f"{gain / 1000:+.3f} ms"))


def print_matrix(response: contract.GetPathMatrixResponse, quality_class: str) -> None:
    """Prints a line for each pair of regions."""
    _print_down(response.down)
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
    print_table(columns, [_pair_row(pair, quality_class, has_changes=has_changes) for pair in response.pairs])
    apart = ", ".join(f"{pair.start} {pair.end}" for pair in response.pairs if pair.paths.apart)
    if apart:
        click.echo(
            translated(
                "Two paths that share less, without the best one: {pairs}; `network paths` shows them.", pairs=apart
            )
        )


def _pair_row(pair: contract.RegionPaths, quality_class: str, *, has_changes: bool) -> Row:
    best, alternative = pair.paths.best, pair.paths.alternative
    is_reached = pair.paths.HasField("best")
    row: list[str | Text] = [pair.start, pair.end, *_figures(best, is_reached=is_reached)]
    if quality_class:
        row += [_verdict(best), told_left(best.budget)] if is_reached else ["", ""]
    row.append(told_delay(alternative.quality.delay_us) if pair.paths.HasField("alternative") else "–")
    row.append(" ".join(pair.paths.shared_links))
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


def _print_down(down: Sequence[str]) -> None:
    if down:
        click.echo(translated("Down: {links}", links=", ".join(down)))


def _print_site_paths(found: contract.SitePaths, quality_class: str) -> None:
    for is_there, path, title in (
        (found.HasField("best"), found.best, translated("Best path")),
        (found.HasField("alternative"), found.alternative, translated("Alternative")),
    ):
        if is_there:
            click.echo(title)
            _print_path(path, quality_class)
    if found.HasField("best") and not found.HasField("alternative"):
        click.echo(translated("There is no alternative."))
    if found.HasField("alternative"):
        _print_shared(found)
    if found.apart:
        click.echo(translated("Two paths that share less with each other, without the best one"))
        for path in found.apart:
            _print_path(path, quality_class)


def _print_shared(found: contract.SitePaths) -> None:
    """Prints the links and sites that an alternative shares with the best path."""
    links, sites = ", ".join(found.shared_links), ", ".join(found.shared_sites)
    if links:
        click.echo(translated("The alternative shares links with the best path: {links}", links=links))
    elif sites:
        click.echo(translated("The alternative shares no link with the best path, but sites: {sites}", sites=sites))
    else:
        click.echo(translated("The alternative shares no link and no site with the best path."))


def _print_path(path: contract.NetworkPath, quality_class: str) -> None:
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
            hop.link,
            hop.start,
            hop.end,
            told_delay(hop.quality.delay_us),
            told_delay(hop.quality.delay_variation_us),
            told_loss(hop.quality.loss_ppb),
            translated("measured") if hop.measured else translated("by design"),
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
