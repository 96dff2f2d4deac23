"""Acts of the audit: each that a region records has words for the page that shows it to people."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor import FileDescriptor

import gateway.api
from gateway.wording.acts import told_act
from tests.unit.tidy import Source, called_name

ROOT = Path(__file__).parents[2]
# Functions that record the act that they are given, or pass it on to one that does.
RECORDERS = {
    *("DailyLimit", "_Matter", "_done_to_each", "_note", "append", "append_each", "note", "record", "record_each"),
    "tell_body",
}
ACT = re.compile("([A-Z][a-z]+)+")
# RPCs that no row of a region names: of what everybody may know, of coordinators, and of the region's own systems.
UNRECORDED = {
    *("ListComplaintCategories", "ListPurposes", "ListResolutionCauses", "ListServicePoints", "SearchBusinesses"),
    *("CountComplaints", "CountFormerComplaints", "CountIssues", "GetFormerMonths", "ListBulletinHeaders"),
    *("ListComplaintHeaders", "ListIssueHeaders", "ListJointOrderSummaries", "ListOpenMoves", "ListOrderSummaries"),
    *("ListReadersOfBulletin", "ListResourceStatus", "ListWitnessedHeads", "OpenIssueForAdministrator"),
    *("PublishForAdministrator", "VerifyChain", "ListBulletinReaders", "ReportLinks", "StreamOrderEvents"),
}


def rpcs() -> Iterator[str]:
    """The RPCs that a node serves to its region and to coordinators."""
    for path in sorted(Path(gateway.api.__path__[0]).glob("region/v1/*_pb2.py")):
        file: FileDescriptor = importlib.import_module(f"gateway.api.region.v1.{path.stem}").DESCRIPTOR
        for service in file.services_by_name.values():
            yield from service.methods_by_name


def recorded() -> Iterator[str]:
    """The acts that the code of a region gives to a recorder."""
    for path in sorted((ROOT / "region_node").rglob("*.py")):
        for node in ast.walk(Source(path.relative_to(ROOT).as_posix(), path.read_text("utf-8")).tree):
            if isinstance(node, ast.Call) and called_name(node) in RECORDERS:
                for each in (*node.args, *(keyword.value for keyword in node.keywords)):
                    if isinstance(each, ast.Constant) and isinstance(each.value, str) and ACT.fullmatch(each.value):
                        yield each.value


def test_each_act_that_a_region_records_has_words() -> None:
    found = {*rpcs(), *recorded()}
    assert {"SubmitOrder", "EscalateLoan", "SuspendedForArrears"} <= found, "acts were not found, so not checked"
    nameless = {each for each in found if told_act(each) == each}
    forgotten = sorted(nameless - UNRECORDED)
    assert not forgotten, f"add to `_ACTS` of gateway/wording/acts.py, with their Chinese: {forgotten}"
    assert not UNRECORDED - nameless, "listed as without words, but these have some, or are gone"
