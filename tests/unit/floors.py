"""Floors: an import goes down by the list of its package, and children of one folder never import in a circle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

from tests.unit.tidy import Source, imports


@dataclass(frozen=True)
class Arrow:
    """An import: the importing module and the imported name, both dotted, and the place in the file."""

    importing: str
    imported: str
    place: str


def module_of(source: Source) -> str:
    """The dotted name of a file's module; of an `__init__.py` that of its folder."""
    return ".".join(source.parts[:-1] if source.parts[-1] == "__init__" else source.parts)


def arrows(source: Source) -> Iterator[Arrow]:
    """The imports in a file, each by the module with the name that is taken from it, which may be a module too."""
    return (Arrow(module_of(source), each.full, f"{source.path}:{each.line}") for each in imports(source))


@dataclass
class Building:
    """The modules of the programs, and what they import."""

    modules: set[str]
    arrows: list[Arrow]

    @cached_property
    def children(self) -> Mapping[str, set[str]]:
        """The modules and folders in each folder, by its dotted name."""
        children: dict[str, set[str]] = {}
        for module in self.modules:
            parts = module.split(".")
            for size in range(1, len(parts)):
                children.setdefault(".".join(parts[:size]), set()).add(parts[size])
        return children

    def between(self, folder: str) -> Mapping[tuple[str, str], Arrow]:
        """The first import for each pair of children of a folder of which one imports the other."""
        children, start = self.children[folder], folder + "."
        between: dict[tuple[str, str], Arrow] = {}
        for arrow in self.arrows:
            if arrow.importing.startswith(start) and arrow.imported.startswith(start):
                pair = arrow.importing[len(start) :].split(".")[0], arrow.imported[len(start) :].split(".")[0]
                if pair[0] != pair[1] and pair[1] in children:
                    between.setdefault(pair, arrow)
        return between


def circles(building: Building) -> Iterator[tuple[str, str]]:
    """Each folder with children that import in a circle, and one such circle."""
    for folder in sorted(building.children):
        graph: dict[str, set[str]] = {}
        for importing, imported in building.between(folder):
            graph.setdefault(importing, set()).add(imported)
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            yield folder, " <- ".join(error.args[1])


def read_floors(text: str) -> Mapping[str, Sequence[str]]:
    """The floors of each package, top first, from the lines of `floors.txt`."""
    lines = (line.partition("#")[0].partition(":") for line in text.splitlines())
    return {package.strip(): floors.split() for package, _, floors in lines if package.strip()}


def breaches(building: Building, package: str, floors: Sequence[str]) -> Iterator[str]:
    """Every import that goes up by the floors of a package, and every child that has no floor."""
    height = {name: len(floors) - index for index, name in enumerate(floors)}
    yield from (f"{package}.{child} has no floor" for child in sorted(building.children[package] - height.keys()))
    for (importing, imported), arrow in sorted(building.between(package).items()):
        if height.get(importing, 0) < height.get(imported, 0):
            yield f"{arrow.place}: {importing} imports {imported}, which is above it"
