"""A number plan as a CSV file: which region owns which prefixes, one prefix a line. No I/O."""

import csv
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.api.federation.v1.configuration_pb2 import NumberPlan, PrefixRange, Region
from gateway.federation.numberplan import normalize_prefix, owners_of
from gateway.wording.languages import enumerated, offering, translated

_OF_REJECTS = ("line", "reason")


class FileUnusable(Exception):
    """The file cannot be read line by line; the text has the reason."""


@dataclass(frozen=True)
class Columns:
    """The headers of the columns that are read."""

    prefix: str = "prefix"
    region: str = "region"


@dataclass(frozen=True, order=True)
class Problem:
    """A line that cannot be used."""

    line: int
    """The line of the file where the problem begins, counted from 1."""
    reason: str


@dataclass(frozen=True)
class _Claim:
    """A line that gives a prefix to a region."""

    line: int
    region: str


@dataclass
class Found:
    """The content of a number plan file."""

    owners: dict[str, str] = field(default_factory=dict)
    """The region of each prefix."""
    problems: list[Problem] = field(default_factory=list)
    """Problems by line. A prefix that two regions claim belongs to neither: each line with it is a problem."""


def regions_by_name(regions: Iterable[Region]) -> dict[str, str]:
    """The id of each region by its id and by its names."""
    named = list(regions)
    names = {name: region.id for region in named for name in (region.name.zh_cn, region.name.en) if name}
    return names | {region.id: region.id for region in named}


def read_number_plan(lines: Iterable[str], columns: Columns, regions: Mapping[str, str]) -> Found:
    """Reads the lines of a file with a header. `regions` maps the file's names of regions to their ids.

    Raises FileUnusable.
    """
    rows = _rows(lines)
    header = next(rows, (0, []))[1]
    at_prefix, at_region = (_index(header, name) for name in (columns.prefix, columns.region))
    claims: dict[str, _Claim] = {}
    repeated: dict[str, list[_Claim]] = {}
    found = Found()
    for line, row in rows:
        try:
            if len(row) != len(header):
                raise ValueError(
                    translated("{count} cells, and the header has {columns}", count=len(row), columns=len(header))
                )
            prefix = normalize_prefix(row[at_prefix].strip())
            name = row[at_region].strip()
            if name not in regions:
                raise ValueError(offering(translated("unknown region {name!r}", name=name), name, regions))
        except ValueError as error:
            found.problems.append(Problem(line, str(error)))
            continue
        claim = _Claim(line, regions[name])
        if claims.setdefault(prefix, claim) is not claim:
            repeated.setdefault(prefix, [claims[prefix]]).append(claim)
    found.owners = {prefix: claim.region for prefix, claim in claims.items()}
    for prefix, those in repeated.items():
        if len({claim.region for claim in those}) > 1:
            del found.owners[prefix]
            claimants = (translated("{region} (line {line})", region=each.region, line=each.line) for each in those)
            told = translated(
                "{prefix} is claimed by {claimants}", prefix=prefix, claimants=translated(" and ").join(claimants)
            )
            found.problems += [Problem(claim.line, told) for claim in those]
    found.problems.sort()
    return found


def rejected_rows(lines: Iterable[str], problems: Collection[Problem]) -> Iterator[list[str]]:
    """The rows of a file that are problems, below its header, each followed by its line and the reason."""
    reasons = {problem.line: problem.reason for problem in problems}
    rows = _rows(lines)
    header = next(rows, (0, []))[1]
    # A corrected file of rejects that is rejected again has these columns once.
    own = len(header) - len(_OF_REJECTS) if tuple(header[-len(_OF_REJECTS) :]) == _OF_REJECTS else len(header)
    yield [*header[:own], *_OF_REJECTS]
    for line, row in rows:
        if line in reasons:
            kept = row[:own] if len(row) == len(header) else row
            yield [*kept, str(line), reasons[line]]


def plan_of(owners: Mapping[str, str], before: NumberPlan, *, merges: bool) -> NumberPlan:
    """The number plan in which these regions own these prefixes; with `merges`, also the prefixes of `before`.

    Ported numbers, which differ from their prefix, stay unchanged.
    """
    by_region: dict[str, list[str]] = {}
    for prefix, region in ({**owners_of(before), **owners} if merges else owners).items():
        by_region.setdefault(region, []).append(prefix)
    prefixes = [PrefixRange(region=region, prefixes=sorted(by_region[region])) for region in sorted(by_region)]
    return NumberPlan(prefixes=prefixes, exceptions=before.exceptions)


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, each with the line on which it begins."""
    reader = csv.reader(lines, strict=True)
    line = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise FileUnusable(translated("line {line}: is not CSV: {problem}", line=line, problem=error)) from error
    except UnicodeError as error:
        raise FileUnusable(
            translated("after line {line}: cannot be read as text: {problem}", line=reader.line_num, problem=error)
        ) from error


def _index(header: Sequence[str], name: str) -> int:
    names = [cell.strip() for cell in header]
    if name not in names:
        raise FileUnusable(
            translated(
                "there is no column {name!r}; columns are: {columns}. --map says which ones to read",
                name=name,
                columns=enumerated(names) if names else translated("none"),
            )
        )
    return names.index(name)
