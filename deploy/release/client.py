"""Writes the source of the distribution `crossregion-client`: the client for programs in Python, and no server.

    python -m deploy.release.client SOURCE FOLDER

SOURCE is a tree of this project. FOLDER gets `gateway.client`, the stubs and messages of `gateway.api`, the modules
that these import, and a pyproject.toml with the packages that they need.
"""

import ast
import json
import re
import shutil
import sys
import tomllib
from collections.abc import Collection, Iterator
from pathlib import Path

_WHOLE = ("gateway/client", "gateway/api")
_OTHERS = ("LICENSE", "gateway/py.typed")
REQUIRED = {"click", "cryptography", "googleapis-common-protos", "grpcio", "protobuf", "tenacity", "tzdata"}
"""The packages that the client needs, of those that the project requires, which also says in which versions."""

_PYPROJECT = """[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
{project}

[project.optional-dependencies]
pkcs11 = {pkcs11}

[tool.setuptools.packages.find]
include = ["gateway*"]

[tool.setuptools.package-data]
"*" = ["*.pyi", "py.typed"]
"""


def modules(source: Path) -> tuple[set[Path], set[str]]:
    """The modules of the client, relative to the source, and the packages outside of it that they import.

    A package is named by the first two words of a module of it, where the first is `google`.
    """
    found = {each.relative_to(source) for folder in _WHOLE for each in (source / folder).rglob("*.py")}
    outside, waiting = set[str](), list(found)
    while waiting:
        path = waiting.pop()
        needed = set(path.parents[:-1])
        for name in _imports(ast.parse((source / path).read_bytes())):
            first, *others = name.split(".")
            if first == "gateway":
                needed.add(Path(*name.split(".")))
            elif first not in sys.stdlib_module_names:
                outside.add(".".join([first, *others[:1]]) if first == "google" else first)
        files = {each for name in needed for each in (name / "__init__.py", name.with_suffix(".py"))}
        new = {each for each in files if (source / each).is_file()} - found
        found |= new
        waiting += new
    return found, outside


def pyproject(whole: str) -> str:
    """The pyproject.toml of the distribution, by that of the whole one. Raises ValueError for a lost requirement."""
    project = tomllib.loads(whole)["project"]
    told = {name: project[name] for name in ("version", "requires-python", "license", "license-files")}
    told |= {"name": f"{project['name']}-client", "description": "The client of a region's node, in Python"}
    told["dependencies"] = _of_the_client(project["dependencies"])
    extra = project["optional-dependencies"]["pkcs11"]
    return _PYPROJECT.format(
        project="\n".join(f"{name} = {json.dumps(value)}" for name, value in sorted(told.items())),
        pkcs11=json.dumps(extra),
    )


def main(source: Path, folder: Path) -> None:
    """Writes the folder anew."""
    shutil.rmtree(folder, ignore_errors=True)
    types = (each.relative_to(source) for each in (source / "gateway" / "api").rglob("*.pyi"))
    for path in sorted([*modules(source)[0], *types, *map(Path, _OTHERS)]):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / path, folder / path)
    (folder / "pyproject.toml").write_text(pyproject((source / "pyproject.toml").read_text("utf-8")), "utf-8")


def _imports(tree: ast.AST) -> Iterator[str]:
    """The modules that a module imports, at any time; beside them names that are none."""
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                yield from (each.name for each in node.names)
            case ast.ImportFrom(module=str(module)):
                yield module
                yield from (f"{module}.{each.name}" for each in node.names)


def _of_the_client(requirements: Collection[str]) -> list[str]:
    """The requirements of the packages of REQUIRED. Raises ValueError if one of them has none."""
    by_name = {re.split(r"[\[<>=!~ ;]", each)[0]: each for each in requirements}
    if missing := REQUIRED - by_name.keys():
        raise ValueError(f"the project does not require {', '.join(sorted(missing))}")
    return [by_name[name] for name in sorted(REQUIRED)]


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
