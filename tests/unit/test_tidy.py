"""The project keeps the rules of its house, and each rule is shown to catch what breaks it."""

from __future__ import annotations

import importlib
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor

from tests.unit import floors, tidy
from tests.unit.floors import Arrow, Building
from tests.unit.tidy import Source

ROOT = Path(__file__).resolve().parents[2]
GENERATED = Path("gateway/api")
OPTION = "gateway.api.types.v1.allow"

# Where everything must be caught, as `path::Class.function`, with the reason.
BROAD_EXCEPT = {
    "gateway/rpc/incidents.py::contained": "a defect in a look at data of others ends no loop, and no process",
    "gateway/store/group_commit.py::_run": "what an operation raises is the answer to its caller alone",
    "gateway/store/postgresql_ahead.py::_told": "a wrong announcement only saves no time: its operation runs",
    "gateway/web/console/application.py::ConsoleApplication._telling": "a defect of a page is shown by its number",
    "gateway/web/routes.py::_answered": "what cannot be told by HTTP is a numbered defect, in the form of the API",
    "gateway/web/server.py::_answering": "a defect of a page is numbered, and its log has no line of the request",
    "region_node/business/orders/bulk.py::_answer_one": "a defect in one order is its refusal, and not that of others",
    "region_node/listeners/delivery.py::ListenerDelivery._post": "a defect in one event keeps no later event back",
    "region_node/listeners/delivery.py::ListenerDelivery._turn": "a defect in one event stops no other listener",
}

FLOORS = floors.read_floors((Path(__file__).parent / "floors.txt").read_text(encoding="utf-8"))

# Put together here so that this file does not name them either.
REGISTRY_HOSTS = tuple(
    ".".join(words).encode()
    for words in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("debian", "org"),
        ("proxy", "golang", "org"),
        ("crates", "io"),
    )
)
WORKPLACE = b"/" + b"work" + b"/"

Rule = Callable[[Source], Iterator[str]]
RULES: tuple[Rule, ...] = (
    tidy.long_files,
    tidy.long_functions,
    tidy.empty_names,
    tidy.wrong_way_imports,
    tidy.impure_rules,
    tidy.stray_prints,
    tidy.waits_that_swallow,
    tidy.files_written_by_hand,
    tidy.vague_docstrings,
    tidy.problems_in_one_language,
    tidy.lists_in_one_language,
)


def tracked_files() -> list[Path]:
    """The repository's files, committed or about to be, relative to its root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return sorted(path for name in listed.split("\0") if name and (ROOT / (path := Path(name))).is_file())


@dataclass
class Found:
    """The breaches in the hand-written Python files, by the name of the rule, and their broad catches."""

    complaints: dict[str, list[str]]
    broad_excepts: dict[str, int]
    programs: Building


@pytest.fixture(scope="module")
def found() -> Found:
    """Looks at each file once: all trees at a time would fill the memory, and to parse is what takes long."""
    found = Found({rule.__name__: [] for rule in RULES}, {}, Building(set(), []))
    paths = [path for path in tracked_files() if path.suffix == ".py" and not path.is_relative_to(GENERATED)]
    assert paths, "no Python file was found, so nothing was checked"
    for path in paths:
        source = Source(path.as_posix(), (ROOT / path).read_text(encoding="utf-8"))
        for rule in RULES:
            found.complaints[rule.__name__] += rule(source)
        found.broad_excepts |= {f"{source.path}::{name}": line for name, line in tidy.broad_excepts(source)}
        if source.parts[0] in tidy.PROGRAMS:
            found.programs.modules.add(floors.module_of(source))
            found.programs.arrows.extend(floors.arrows(source))
    return found


def methods() -> list[MethodDescriptor]:
    """Every RPC of the contract, from the generated descriptors."""
    found = []
    for path in sorted((ROOT / GENERATED).rglob("*_pb2.py")):
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for service in module.DESCRIPTOR.services_by_name.values():
            found.extend(service.methods)
    return found


def option(method: MethodDescriptor, name: str) -> object | None:
    """The value of a method option by its full name, None where it is not set."""
    fields: Sequence[tuple[FieldDescriptor, object]] = method.GetOptions().ListFields()
    return next((value for field, value in fields if field.full_name == name), None)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_project_keeps_the_rule(found: Found, rule: Rule) -> None:
    complaints = found.complaints[rule.__name__]
    assert not complaints, "\n".join(complaints)


def test_everything_is_caught_only_where_it_is_listed(found: Found) -> None:
    unlisted = [f"{place} (line {line})" for place, line in found.broad_excepts.items() if place not in BROAD_EXCEPT]
    assert not unlisted, "\n".join(unlisted)
    assert not BROAD_EXCEPT.keys() - found.broad_excepts.keys(), "listed, but nothing broad is caught there any more"


def test_imports_go_down_by_the_floors(found: Found) -> None:
    breaches = [each for package, names in FLOORS.items() for each in floors.breaches(found.programs, package, names)]
    assert not breaches, "\n".join(breaches)


def test_the_children_of_no_folder_import_each_other_in_a_circle(found: Found) -> None:
    circles = dict(floors.circles(found.programs))
    assert not circles, "\n".join(f"{folder}: {circle}" for folder, circle in circles.items())


def building(*imported: tuple[str, str]) -> Building:
    """Two floors of a region, and imports between their modules."""
    modules = {"region_node.care.desk", "region_node.care.rows", "region_node.node.context"}
    return Building(modules, [Arrow(importing, name, "x.py:1") for importing, name in imported])


DOWN = ("region_node.care.desk", "region_node.node.context.RegionContext")
UP = ("region_node.node.context", "region_node.care.rows")
AROUND = (("region_node.care.desk", "region_node.care.rows.Row"), ("region_node.care.rows", "region_node.care.desk"))


def test_an_import_that_goes_up_is_seen_and_a_child_without_a_floor_too() -> None:
    assert list(floors.breaches(building(DOWN), "region_node", ["care", "node"])) == []
    (up,) = floors.breaches(building(DOWN, UP), "region_node", ["care", "node"])
    assert up == "x.py:1: node imports care, which is above it"
    (none,) = floors.breaches(building(), "region_node", ["care"])
    assert none == "region_node.node has no floor"


def test_a_circle_is_seen_in_the_folder_in_which_it_is_and_in_no_other() -> None:
    assert list(floors.circles(building(DOWN, AROUND[0]))) == []
    assert [folder for folder, _ in floors.circles(building(DOWN, *AROUND))] == ["region_node.care"]
    assert [folder for folder, _ in floors.circles(building(DOWN, UP))] == ["region_node"]


def test_no_file_names_a_registry_or_a_path_of_one_machine() -> None:
    complaints = [
        f"{path} contains {needle.decode()}"
        for path in tracked_files()
        for needle in (*REGISTRY_HOSTS, WORKPLACE)
        if needle in (ROOT / path).read_bytes()
    ]
    assert not complaints, "\n".join(complaints)


def test_the_comments_of_the_contract_name_their_subjects() -> None:
    paths = [path for path in tracked_files() if path.is_relative_to("protos") and path.suffix == ".proto"]
    assert paths, "no file of the contract was found, so nothing was checked"
    sources = (Source(path.as_posix(), (ROOT / path).read_text(encoding="utf-8")) for path in paths)
    complaints = [complaint for source in sources for complaint in tidy.vague_comments(source)]
    assert not complaints, "\n".join(complaints)


def test_every_rpc_says_who_may_call_it() -> None:
    rpcs = methods()
    if not rpcs:
        pytest.skip("the contract has no service yet")
    missing = [rpc.full_name for rpc in rpcs if not option(rpc, OPTION)]
    assert not missing, "no `allow`: " + ", ".join(missing)


def test_every_rpc_says_whether_it_may_be_repeated() -> None:
    rpcs = methods()
    if not rpcs:
        pytest.skip("the contract has no service yet")
    missing = [rpc.full_name for rpc in rpcs if not option(rpc, "google.protobuf.MethodOptions.idempotency_level")]
    assert not missing, "no `idempotency_level`: " + ", ".join(missing)


OFFENDERS: tuple[tuple[Rule, str, str], ...] = (
    (tidy.long_files, "gateway/long.py", "x = 1\n" * 501),
    (tidy.long_functions, "gateway/long.py", "def f():\n" + "    x = 1\n" * 70),
    (tidy.long_functions, "gateway/long.py", "class C:\n  async def f(self):\n" + "    x = 1\n" * 70),
    (tidy.empty_names, "gateway/utils.py", ""),
    (tidy.empty_names, "region_node/common/rules.py", ""),
    (tidy.wrong_way_imports, "region_node/business/orders/service.py", "import coordinator.routing\n"),
    (
        tidy.wrong_way_imports,
        "coordinator/routing.py",
        "def f():\n    from region_node.business.orders import rules\n",
    ),
    (tidy.wrong_way_imports, "gateway/relay.py", "from region_node import orders\n"),
    (tidy.wrong_way_imports, "deploy/demo.py", "from tests.unit import tidy\n"),
    (tidy.impure_rules, "region_node/business/orders/rules.py", "import time\n"),
    (tidy.impure_rules, "region_node/business/orders/rules.py", "from os import path\n"),
    (tidy.impure_rules, "region_node/business/orders/rules.py", "from .operations import submit\n"),
    (tidy.impure_rules, "region_node/business/orders/rules.py", "from gateway.store import Store\n"),
    (tidy.impure_rules, "region_node/business/orders/rules.py", "from gateway.api.region.v1 import orders_pb2_grpc\n"),
    (tidy.impure_rules, "region_node/business/orders/rules.py", "from datetime import datetime\nx = datetime.now()\n"),
    (tidy.impure_rules, "region_node/business/orders/rules.py", "x = open('y')\n"),
    (tidy.stray_prints, "gateway/relay.py", "print('x')\n"),
    (tidy.waits_that_swallow, "gateway/store/timers.py", "async def f():\n    await asyncio.wait_for(g(), 1)\n"),
    (tidy.files_written_by_hand, "region_node/cli/x.py", "path.open('w', encoding='utf-8')\n"),
    (tidy.files_written_by_hand, "region_node/cli/x.py", "open(path, mode='ab')\n"),
    (tidy.files_written_by_hand, "coordinator/cli/x.py", "path.write_text('x')\n"),
    (tidy.files_written_by_hand, "gateway/x.py", "os.open(path, os.O_WRONLY | os.O_CREAT)\n"),
    (tidy.files_written_by_hand, "gateway/x.py", "path.chmod(0o600)\n"),
    (
        tidy.problems_in_one_language,
        "region_node/x.py",
        "Refused(Reason.REASON_REQUEST_INVALID, field='x', problem='not set')\n",
    ),
    (tidy.lists_in_one_language, "coordinator/x.py", "Refused(REASON, member=', '.join(names))\n"),
    (
        tidy.lists_in_one_language,
        "gateway/x.py",
        "def f():\n    told = '; '.join(y)\n    translated('x', y=told)\n",
    ),
    (tidy.lists_in_one_language, "region_node/x.py", "def f():\n    raise way_not_taken(', '.join(shown), ways)\n"),
    (tidy.lists_in_one_language, "region_node/x.py", "invalid('x', f'{\", \".join(y)}', f'{\"、\".join(y)}')\n"),
    (tidy.vague_docstrings, "gateway/x.py", '"""What is sent."""\n'),
    (tidy.vague_docstrings, "region_node/x.py", 'class C:\n    """A row. Whoever claims it sends it."""\n'),
    (tidy.vague_docstrings, "coordinator/x.py", 'def f():\n    """Of whom it is known."""\n'),
    (tidy.vague_docstrings, "coordinator/x.py", 'def f():\n    """A region that is told of it."""\n'),
    (tidy.vague_comments, "protos/x.proto", "// What is sent.\nmessage Sent {}\n"),
    (tidy.vague_comments, "protos/x.proto", "message Sent {\n  // Time of sending.\n  // Since when it waits.\n}\n"),
    (tidy.vague_comments, "protos/x.proto", "message Sent {\n  // A row.\n  //\n  // Whether it is new.\n}\n"),
    (tidy.vague_comments, "protos/x.proto", "// Those that are open.\n"),
    (tidy.vague_comments, "protos/x.proto", "// A region that is\n// told of it.\n"),
)


@pytest.mark.parametrize(("rule", "path", "text"), OFFENDERS)
def test_the_rule_catches_what_breaks_it(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Source(path, text)))


ALLOWED: tuple[tuple[Rule, str, str], ...] = (
    (tidy.long_functions, "gateway/long.py", "def f():\n" + "    x = 1\n" * 69),
    (
        tidy.wrong_way_imports,
        "region_node/business/orders/service.py",
        "from gateway.relay import Lane\nfrom . import rules\n",
    ),
    (
        tidy.impure_rules,
        "region_node/business/orders/rules.py",
        "from gateway.values.money import Money\nfrom gateway import federation\n",
    ),
    (tidy.impure_rules, "region_node/business/orders/rules.py", "from region_node.business.billing.rules import due\n"),
    (tidy.impure_rules, "region_node/business/orders/rules.py", "from gateway.api.region.v1 import orders_pb2\n"),
    (
        tidy.impure_rules,
        "region_node/business/orders/rules.py",
        "from gateway.api.region.v1.orders_pb2 import Order\n",
    ),
    (tidy.impure_rules, "region_node/business/orders/operations.py", "import sqlite3\n"),
    (tidy.stray_prints, "coordinator/cli/main.py", "print('x')\n"),
    (tidy.waits_that_swallow, "gateway/x.py", "async def f(order):\n    rules.wait_for(order)\n"),
    (tidy.files_written_by_hand, "region_node/cli/x.py", "path.open(encoding='utf-8')\nopen(path, 'rb')\n"),
    (tidy.files_written_by_hand, "gateway/x.py", "os.open(directory, os.O_RDONLY | os.O_DIRECTORY)\n"),
    (tidy.files_written_by_hand, "tests/x.py", "path.write_text('x')\n"),
    (tidy.problems_in_one_language, "region_node/x.py", "invalid('x', 'not set', '未填写')\n"),
    (tidy.problems_in_one_language, "coordinator/x.py", "Refused(Reason.REASON_REQUEST_INVALID, problem='not set')\n"),
    (tidy.lists_in_one_language, "region_node/x.py", "Refused(REASON, **listed(documents=missing))\n"),
    (tidy.lists_in_one_language, "gateway/x.py", "columns = ', '.join(names)\ntx.all(f'SELECT {columns}')\n"),
    (
        tidy.lists_in_one_language,
        "gateway/x.py",
        "def f():\n    t = ', '.join(x)\ndef g(t):\n    invalid(t)\n",
    ),
    (tidy.vague_docstrings, "gateway/x.py", 'def f(told):\n    """The head `told`. Whether it is news."""\n'),
    (tidy.vague_docstrings, "gateway/x.py", 'def _f():\n    """What is sent."""\n'),
    (tidy.vague_docstrings, "region_node/cli/x.py", '@reads(LIMIT)\ndef f():\n    """Show what is told."""\n'),
    (tidy.vague_docstrings, "tests/x.py", '"""What is sent."""\n'),
    (tidy.vague_comments, "protos/x.proto", "// The envelope `told`, which the region has sent. One envelope.\n"),
    (tidy.vague_comments, "protos/x.proto", 'option (en) = "What is missing?";  // Text.\n'),
)


@pytest.mark.parametrize(("rule", "path", "text"), ALLOWED)
def test_the_rule_leaves_good_code_alone(rule: Rule, path: str, text: str) -> None:
    assert not list(rule(Source(path, text)))


@pytest.mark.parametrize(
    ("handler", "broad"),
    [
        ("except:\n        x = 1", True),
        ("except Exception as error:\n        x = error", True),
        ("except (ValueError, BaseException):\n        x = 1", True),
        ("except Exception:\n        return\n        raise", True),
        ("except BaseException:\n        x = 1\n        raise", False),
        ("except ValueError:\n        x = 1", False),
    ],
)
def test_catching_everything_is_seen_unless_it_is_raised_again(handler: str, broad: bool) -> None:
    text = f"class C:\n  def f(self):\n    try:\n        x = 0\n    {handler}\n"
    assert list(tidy.broad_excepts(Source("gateway/x.py", text))) == ([("C.f", 5)] if broad else [])


def test_suppressing_everything_is_seen() -> None:
    text = "def f():\n    with contextlib.suppress(Exception):\n        x = 1\n"
    assert list(tidy.broad_excepts(Source("gateway/x.py", text))) == [("f", 2)]
