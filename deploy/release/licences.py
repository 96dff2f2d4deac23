"""The licences of the packages in a software bill of materials (CycloneDX 1.6, JSON).

python -m deploy.release.licences SBOM     print a line for each package; fail, naming those under other licences
"""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

# SPDX identifiers. psycopg (LGPL) is used as it is, as a library that can be replaced.
_ALLOWED = frozenset(
    {
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "LGPL-3.0-only",
        "MIT",
        "MIT-0",
        "PSF-2.0",
        "Python-2.0",
    }
)
# Classifiers name some licences less exactly than SPDX; the files of the packages at hand say which they are.
_CLASSIFIED = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
}
# Packages whose metadata name no licence, by the licence file in their source.
_UNNAMED = {"protobuf": "BSD-3-Clause"}


@dataclass(frozen=True)
class Licensed:
    """A package with its licences, as SPDX identifiers or as the package names them; none where it names none."""

    name: str
    version: str
    licences: tuple[str, ...]

    @property
    def is_allowed(self) -> bool:
        """Whether the package has a licence, and each of its licences is allowed."""
        return bool(self.licences) and all(map(_is_allowed, self.licences))


def _is_allowed(licence: str) -> bool:
    """Of an SPDX expression of several licences one of each choice is to be allowed; one with brackets is not read."""
    choices = (choice.split(" AND ") for choice in licence.split(" OR "))
    return "(" not in licence and any(map(_ALLOWED.issuperset, choices))


def licensed(bill: Mapping[str, object]) -> Iterator[Licensed]:
    """The packages of a bill of materials, in its order. Raises ValueError for a document of another form."""
    for component in _objects(bill, "components"):
        name, version = _text(component, "name"), _text(component, "version")
        told = dict.fromkeys(_licence(choice) for choice in _objects(component, "licenses"))
        yield Licensed(name, version, tuple(told) or tuple(_UNNAMED[each] for each in [name] if each in _UNNAMED))


def _licence(choice: Mapping[str, object]) -> str:
    """An entry of `licenses`: an expression, or a licence by its identifier or its name."""
    if "expression" in choice:
        return _text(choice, "expression")
    licence = choice.get("license")
    if not isinstance(licence, dict):
        raise ValueError("a licence is neither an expression nor an object")
    if "id" in licence:
        return _text(licence, "id")
    name = _text(licence, "name")
    return _CLASSIFIED.get(name, name)


def _objects(parent: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
    found = parent.get(key, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ValueError(f"{key} is no list of objects")
    return found


def _text(parent: Mapping[str, object], key: str) -> str:
    found = parent.get(key)
    if not isinstance(found, str):
        raise ValueError(f"{key} is no text")
    return found


def main(arguments: list[str]) -> int:
    """Prints the packages of the bill of materials at the path of `arguments`. 1 if a licence is not allowed."""
    (path,) = map(Path, arguments)
    found = sorted(licensed(json.loads(path.read_text("utf-8"))), key=lambda each: each.name.lower())
    for each in found:
        print(f"{each.name} {each.version}: {', '.join(each.licences) or 'not named'}")
    for each in (other for other in found if not other.is_allowed):
        print(f"{each.name}: {', '.join(each.licences) or 'no licence'} is not allowed", file=sys.stderr)
    return int(not all(each.is_allowed for each in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
