"""The rules of the house: functions from a source file to complaints, applied by test_tidy.py."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import PurePosixPath

MAX_FUNCTION_LINES = 70
MAX_FILE_LINES = 500

# A module named so says nothing about what is in it and grows without end.
EMPTY_NAMES = frozenset({"utils", "util", "helpers", "helper", "common", "base", "misc"})

# The forbidden imports of each top-level package.
FORBIDDEN_IMPORTS = {
    "gateway": frozenset({"region_node", "coordinator", "deploy", "tests"}),
    "region_node": frozenset({"coordinator", "deploy", "tests"}),
    "coordinator": frozenset({"region_node", "deploy", "tests"}),
    "deploy": frozenset({"tests"}),
    "protos": frozenset({"gateway", "region_node", "coordinator", "deploy", "tests"}),
}

# The packages whose refusals staff and customers meet.
BOTH_LANGUAGES = frozenset({"gateway", "region_node"})

# The texts for people that exist in both languages, by the functions that take them.
TEXTS = frozenset({"Refused", "LocalizedText", "translated", "invalid", "unsupported", "characteristic_invalid"})

# The marks between the items of a list.
SEPARATORS = frozenset({", ", "; ", "、", "；"})

# Standard modules that read no clock, draw no chance and stay inside the process. zoneinfo reads a table
# that is the same everywhere.
PURE_STANDARD = frozenset(
    {
        "__future__",
        "abc",
        "bisect",
        "calendar",
        "collections",
        "contextlib",
        "copy",
        "dataclasses",
        "datetime",
        "decimal",
        "difflib",
        "enum",
        "fractions",
        "functools",
        "graphlib",
        "hashlib",
        "heapq",
        "hmac",
        "itertools",
        "json",
        "math",
        "numbers",
        "operator",
        "re",
        "statistics",
        "string",
        "textwrap",
        "types",
        "typing",
        "unicodedata",
        "zoneinfo",
    }
)
PURE_MESSAGES = frozenset(
    {
        "google.protobuf.descriptor",
        "google.protobuf.duration_pb2",
        "google.protobuf.message",
        "google.protobuf.timestamp_pb2",
    }
)
# The parts of the fabric that a rule may lean on.
PURE_GATEWAY = frozenset(
    {
        "gateway.time.calendars",
        "gateway.time.clock",
        "gateway.errors",
        "gateway.federation",
        "gateway.values.lists",
        "gateway.values.money",
        "gateway.values.names",
        "gateway.values.requesters",
        "gateway.values.state_words",
        "gateway.wording.masking",
        "gateway.federation.numberplan",
        "gateway.time.working_time",
    }
)
# The parts of a region that a rule may lean on, besides other rules.
PURE_REGION = frozenset(
    {"region_node.network.agreements.spans", "region_node.requests.checks", "region_node.node.terms"}
)
PURE_COORDINATOR = frozenset({"coordinator.registry.shares"})
CLOCK_READS = frozenset({"now", "utcnow", "today"})
IMPURE_BUILTINS = frozenset({"open", "print", "input", "exec", "eval", "__import__"})

PROGRAMS = frozenset({"gateway", "region_node", "coordinator"})
# The openers of files: for all programs, and for files that a serving process appends to for its whole life.
WRITERS = frozenset(
    {
        "gateway/process/files.py",
        "gateway/store/sqlite.py",
        "region_node/node/erased_keys.py",
        "region_node/care/escalations/file.py",
    }
)
WRITING_MODE = re.compile(r"[rb+]*[wax+][bt+]*")

# Public docstrings, and comments of the contract, are plain technical English: a noun is the subject, and no word is
# coined here. Settings show theirs to users, and so do commands.
PLAIN_PACKAGES = frozenset({"gateway", "region_node", "coordinator"})
SENTENCE_START = r"(?:^|(?<=[.!?])\s+|\n\s*\n)(?:(?:At|By|For|From|In|Of|On|Since|To|Under|Until|With) )?"
VAGUE_OPENING = re.compile(
    SENTENCE_START + r"(?:What|Whatever|Which|Who|Whoever|Whom|Whose|That which)\s",
    re.IGNORECASE,
)
VAGUE_WORD = re.compile(
    r"\b(?:told|tells|whoever|(?:is|are|was|were|be) asked|asks? for|those above|docket|parcel|pouch)\b", re.IGNORECASE
)
# Openings of comments of the contract: no clause is a subject there, and no pronoun begins a comment.
VAGUE_CLAUSE = re.compile(SENTENCE_START + r"(?:How|That|When|Where|Whether|Why)\s", re.IGNORECASE)
VAGUE_PRONOUN = re.compile(
    r"^(?:It|Its|They|(?:Only )?those|Nobody|Somebody|Something|One (?:of|that|which|whose))\b", re.IGNORECASE
)
PROTO_COMMENT = re.compile(r"(?:^[ \t]*//.*\n?)+", re.MULTILINE)

# The folders, by name, whose programs speak to a person on the terminal.
PRINTING_PLACES = frozenset({"cli", "deploy", "tests", "protos"})


@dataclass(frozen=True)
class Source:
    """A hand-written file: its path relative to the repository, with slashes, and its text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def parts(self) -> tuple[str, ...]:
        return PurePosixPath(self.path).with_suffix("").parts


@dataclass(frozen=True)
class Import:
    """An imported module, and the name taken from it when there is one."""

    module: str
    name: str
    line: int

    @property
    def full(self) -> str:
        return f"{self.module}.{self.name}" if self.name else self.module


def imports(source: Source) -> Iterator[Import]:
    """Every import in the file, at whatever depth, with relative ones made absolute."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, "", node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = source.parts[: len(source.parts) - node.level] if node.level else ()
            module = ".".join([*package, *([node.module] if node.module else [])])
            yield from (Import(module, alias.name, node.lineno) for alias in node.names)


def within(module: str, packages: frozenset[str]) -> bool:
    """Whether `module` is one of `packages` or lies inside one."""
    return any(module == package or module.startswith(package + ".") for package in packages)


def long_files(source: Source) -> Iterator[str]:
    lines = source.text.count("\n")
    if lines > MAX_FILE_LINES:
        yield f"{source.path}: {lines} lines, more than {MAX_FILE_LINES}"


def long_functions(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                yield f"{source.path}:{node.lineno}: {node.name}: {lines} lines, over {MAX_FUNCTION_LINES}"


def empty_names(source: Source) -> Iterator[str]:
    for part in source.parts:
        if part in EMPTY_NAMES:
            yield f"{source.path}: `{part}` does not say what is inside"


def vague_docstrings(source: Source) -> Iterator[str]:
    if source.parts[0] not in PLAIN_PACKAGES:
        return
    for node in public_definitions(source.tree):
        text = re.sub(r"`[^`]*`", "", ast.get_docstring(node) or "")
        if found := VAGUE_OPENING.search(text) or VAGUE_WORD.search(text):
            line = 1 if isinstance(node, ast.Module) else node.lineno
            yield f"{source.path}:{line}: a docstring names its subject and uses field terms, not `{found[0].strip()}`"


def vague_comments(source: Source) -> Iterator[str]:
    """Comments of the contract, which are the documentation and the help of its methods and fields."""
    for comment in PROTO_COMMENT.finditer(source.text):
        lines = [line.strip().removeprefix("//").strip() for line in comment[0].splitlines()]
        paragraphs = (" ".join(group) for filled, group in groupby(lines, key=bool) if filled)
        text = re.sub(r"`[^`]*`", "", "\n\n".join(paragraphs))
        searches = (each.search(text) for each in (VAGUE_OPENING, VAGUE_CLAUSE, VAGUE_PRONOUN, VAGUE_WORD))
        if found := next(filter(None, searches), None):
            line = source.text.count("\n", 0, comment.start()) + 1
            yield f"{source.path}:{line}: a comment names its subject and uses field terms, not `{found[0].strip()}`"


Definition = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def public_definitions(node: ast.AST) -> Iterator[Definition]:
    """The module and its public classes and functions, without commands, whose docstrings are help."""
    if isinstance(node, Definition):
        is_command = isinstance(node, ast.FunctionDef) and any(
            isinstance(each, ast.Call) for each in node.decorator_list
        )
        if is_command or (not isinstance(node, ast.Module) and re.match("_(?!_)", node.name)):
            return
        yield node
    for child in ast.iter_child_nodes(node):
        yield from public_definitions(child)


def wrong_way_imports(source: Source) -> Iterator[str]:
    forbidden = FORBIDDEN_IMPORTS.get(source.parts[0], frozenset())
    for found in imports(source):
        if within(found.module, forbidden):
            yield f"{source.path}:{found.line}: {source.parts[0]} imports {found.full}"


def impure_rules(source: Source) -> Iterator[str]:
    """A rules.py decides from what it is given: no clock, no chance, nothing outside."""
    if source.parts[-1] != "rules":
        return
    for found in imports(source):
        if not pure_import(found):
            yield f"{source.path}:{found.line}: a rule may not import {found.full}"
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Attribute) and node.func.attr in CLOCK_READS:
            yield f"{source.path}:{node.lineno}: a rule may not read the clock; take the time as an argument"
        if isinstance(node.func, ast.Name) and node.func.id in IMPURE_BUILTINS:
            yield f"{source.path}:{node.lineno}: a rule may not call {node.func.id}"


def pure_import(found: Import) -> bool:
    if found.module == "gateway.api" or found.module.startswith("gateway.api."):
        return any(part.endswith("_pb2") for part in found.full.split("."))
    if any(part == "rules" for part in found.full.split(".")[1:]):
        return True
    pure = PURE_GATEWAY | PURE_REGION | PURE_COORDINATOR | PURE_MESSAGES
    return within(found.module, PURE_STANDARD) or within(found.full, pure)


def broad_excepts(source: Source) -> Iterator[tuple[str, int]]:
    """The functions, by qualified name, that catch everything and do not raise it again; with the line."""

    def visit(node: ast.AST, inside: str) -> Iterator[tuple[str, int]]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inside = f"{inside}.{node.name}" if inside else node.name
        if isinstance(node, ast.ExceptHandler) and catches_all(node.type) and not raises_again(node):
            yield inside, node.lineno
        if isinstance(node, ast.Call) and called_name(node) == "suppress" and any(map(catches_all, node.args)):
            yield inside, node.lineno
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inside)

    return visit(source.tree, "")


def catches_all(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    if isinstance(caught, ast.Tuple):
        return any(map(catches_all, caught.elts))
    return isinstance(caught, ast.Name) and caught.id in {"Exception", "BaseException"}


def raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    leaves = any(isinstance(node, ast.Return) for statement in handler.body for node in ast.walk(statement))
    return isinstance(last, ast.Raise) and last.exc is None and not leaves


def files_written_by_hand(source: Source) -> Iterator[str]:
    """Files of programs are private from their creation: `gateway/process/files.py` opens them."""
    if source.parts[0] not in PROGRAMS or source.path in WRITERS:
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and writes_a_file(node):
            yield f"{source.path}:{node.lineno}: write files by gateway.process.files"


def writes_a_file(call: ast.Call) -> bool:
    name, words = called_name(call), [*call.args, *(keyword.value for keyword in call.keywords)]
    if name in {"write_text", "write_bytes", "touch", "chmod", "fchmod", "mkstemp", "NamedTemporaryFile"}:
        return True
    if name != "open":
        return False
    flags = {each.attr for word in words for each in ast.walk(word) if isinstance(each, ast.Attribute)}
    modes = [word.value for word in words if isinstance(word, ast.Constant) and isinstance(word.value, str)]
    return bool(flags & {"O_WRONLY", "O_RDWR", "O_CREAT"}) or any(WRITING_MODE.fullmatch(mode) for mode in modes)


def called_name(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def stray_prints(source: Source) -> Iterator[str]:
    if PRINTING_PLACES.intersection(source.parts[:-1]):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield f"{source.path}:{node.lineno}: only cli, deploy and tests print"


def waits_that_swallow(source: Source) -> Iterator[str]:
    # Before Python 3.12 it takes the result of what ends in the moment of a cancellation, and forgets the cancellation.
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr != "wait_for":
            continue
        if isinstance(node.func.value, ast.Name) and node.func.value.id == "asyncio":
            yield f"{source.path}:{node.lineno}: asyncio.wait_for may swallow a cancellation; use asyncio.timeout"


def problems_in_one_language(source: Source) -> Iterator[str]:
    if source.parts[0] not in BOTH_LANGUAGES:
        return
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call) or called_name(node) != "Refused" or not node.args:
            continue
        told = {each.arg: each.value for each in node.keywords}
        is_invalid = isinstance(node.args[0], ast.Attribute) and node.args[0].attr == "REASON_REQUEST_INVALID"
        # The text of an error has no other language.
        if is_invalid and "problem_zh_cn" not in told and not isinstance(told.get("problem"), ast.Call):
            yield f"{source.path}:{node.lineno}: gateway.errors.invalid takes the problem in both languages"


def lists_in_one_language(source: Source) -> Iterator[str]:
    """Chinese separates a list otherwise than English: no text for people takes a list joined for one of them."""
    if source.parts[0] not in PROGRAMS:
        return
    scopes = [node for node in ast.walk(source.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for scope in [source.tree, *scopes]:
        nodes = list(own_nodes(scope))
        lists = {
            target.id
            for node in nodes
            if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.NamedExpr) and node.value is not None
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name) and takes_a_list(node.value, frozenset())
        }
        refused = {id(node.exc) for node in nodes if isinstance(node, ast.Raise)}
        for node in nodes:
            if not isinstance(node, ast.Call):
                continue
            is_text = called_name(node) in TEXTS or (id(node) in refused and called_name(node).islower())
            if is_text and takes_a_list(node, frozenset(lists)):
                yield f"{source.path}:{node.lineno}: gateway.values.lists joins a list in both languages"


def own_nodes(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function or of a module, but not those of the functions in it."""
    for child in ast.iter_child_nodes(scope):
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from own_nodes(child)


def takes_a_list(value: ast.AST, lists: frozenset[str]) -> bool:
    return any(joins_words(node) or (isinstance(node, ast.Name) and node.id in lists) for node in ast.walk(value))


def joins_words(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr != "join":
        return False
    return isinstance(node.func.value, ast.Constant) and node.func.value.value in SEPARATORS
