"""`region-node documents` against regions that run: what it says, how it ends, and where it goes on."""

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.api.region.v1 import document_service_pb2 as api
from gateway.time.clock import to_timestamp
from region_node.cli.imports.file_transfer import content_request_id
from tests.federation.archive import CHUNK, Archive, scan
from tests.federation.commands import as_caller, run_command
from tests.federation.counter import REQUESTER, Counter
from tests.federation.running import CALL_SECONDS, Federation
from tests.preloaded import Ended


def verified(federation: Federation) -> str:
    """When the papers were seen: yesterday, to the minute, as a clerk writes it."""
    yesterday = federation.clock.now().astimezone(ZoneInfo("Asia/Shanghai")) - timedelta(days=1)
    return yesterday.replace(second=0, microsecond=0).isoformat(timespec="minutes")


@dataclass(frozen=True)
class Desk:
    """The command, as a counter of one region runs it."""

    federation: Federation
    region: str

    async def run(self, *arguments: str, node: str = "") -> Ended:
        """Runs `region-node documents` with the arguments."""
        environment = as_caller(self.federation, self.region, "operator/counter", node=node)
        words = ("documents", *arguments, "--staff-id", "clerk-7")
        return await run_command("region_node.cli.main", *words, environment=environment)


@pytest.fixture
def henan(federation: Federation) -> Desk:
    """Henan, which verifies."""
    return Desk(federation, "henan")


@pytest.mark.files
async def test_a_document_goes_on_file_is_listed_counts_is_fetched_and_withdrawn(
    federation: Federation, henan: Desk, guangdong: Counter, sichuan: Counter, tmp_path: Path
) -> None:
    number, file = await sichuan.new_customer(), tmp_path / "id.png"
    file.write_bytes(scan(3 * CHUNK))
    upload = ("upload", str(file), "--number", number, "--code", "ID_ORIG", "--verified", verified(federation))
    put = await henan.run(*upload)
    assert put.code == 0, put
    assert put.out.startswith("On file as henan/counter/")
    document_id = put.out.removeprefix("On file as ").rstrip(".\n")
    assert (await henan.run(*upload)).out == put.out, "a repeat changes nothing"
    here = Desk(federation, "guangdong")
    listed = await here.run("list", "--number", number, "--json")
    assert [each["document_id"] for each in json.loads(listed.out)["documents"]] == [document_id]
    table = (await here.run("list", "--number", number)).out
    assert document_id in table
    assert re.search(r"\d\d:\d\d \+08:00", table), "a time is shown in the zone of the region"
    assert re.search(r"\d\d:\d\d \+00:00", (await here.run("list", "--number", number, "--utc")).out)
    assert "文件编号" in (await here.run("list", "--number", number, "--lang", "zh")).out
    checked = await here.run("check", "SUSPEND", "--number", number)
    assert checked.code == 0, checked
    assert re.search("ID_ORIG +on file, henan", checked.out), checked.out
    checked = await here.run("check", "SUSPEND", "--number", number, "--lang", "zh")
    assert "机主有效身份证件原件（ID_ORIG）" in checked.out, checked.out
    missing = await here.run("check", "TERMINATE", "--number", number, "--brings", "SIM")
    assert missing.code == 1
    assert "Missing: " in missing.out
    fetched = tmp_path / "fetched.png"
    get = ("get", str(fetched), "--number", number, "--document", document_id)
    denied = await here.run(*get)
    assert (denied.code, "DOCUMENT_CONTENT_DENIED" in denied.err) == (1, True), denied
    await guangdong.order("TERMINATE", number)
    part = tmp_path / "fetched.png.part"
    part.touch(mode=0o600)
    part.write_bytes(scan(3 * CHUNK)[: CHUNK + 5])
    assert (await here.run(*get)).code == 0
    assert (fetched.read_bytes(), fetched.stat().st_mode & 0o777) == (scan(3 * CHUNK), 0o600)
    fetched.unlink()
    part.touch(mode=0o600)
    part.write_bytes(b"something else")
    assert (await here.run(*get)).code == 1
    assert not fetched.exists()
    assert not part.exists()
    withdrawn = await henan.run("withdraw", document_id)
    assert (withdrawn.code, withdrawn.out[:15]) == (0, "Withdrawn since"), withdrawn
    reuse = await here.run("reuse")
    assert reuse.code == 0, reuse
    assert "business" in reuse.out
    assert isinstance(json.loads((await here.run("reuse", "--json")).out), dict)


@pytest.mark.files
async def test_an_upload_that_was_cut_off_goes_on_where_the_node_is(
    federation: Federation, henan: Desk, sichuan: Counter, tmp_path: Path
) -> None:
    number, file, content = await sichuan.new_customer(), tmp_path / "id.png", scan(4 * CHUNK)
    file.write_bytes(content)
    archive = Archive(Counter(federation, "henan"))
    named = archive.named(number, content, request_id="x")
    named.request_id = ""
    seen = verified(federation)
    named.verify_time.FromDatetime(datetime.fromisoformat(seen))
    named.request_id = content_request_id(named)
    half = await archive.send(named, content, until_byte=2 * CHUNK)
    assert half.received == 2 * CHUNK
    put = await henan.run("upload", str(file), "--number", number, "--code", "ID_ORIG", "--verified", seen)
    assert (put.code, put.out) == (0, f"On file as {half.document_id}.\n"), put
    request = api.ListDocumentsRequest(number=number, requester=REQUESTER)
    assert len((await sichuan.documents.ListDocuments(request, timeout=CALL_SECONDS)).documents) == 1
    assert to_timestamp(federation.clock.now()).seconds > named.verify_time.seconds


@pytest.mark.files
async def test_refusals_end_with_1_wrong_usage_with_2_and_a_node_that_is_away_with_3(
    federation: Federation, henan: Desk, sichuan: Counter, tmp_path: Path
) -> None:
    number, file = await sichuan.new_customer(), tmp_path / "notes.txt"
    file.write_text("no scan")
    upload = ("upload", str(file), "--number", number, "--code", "ID_ORIG", "--verified", verified(federation))
    refused = await henan.run(*upload)
    assert (refused.code, "DOCUMENT_TYPE_NOT_ALLOWED" in refused.err) == (1, True), refused
    assert "材料ID_ORIG不接受" in (await henan.run(*upload, "--lang", "zh")).err
    assert (await henan.run("upload", str(tmp_path / "none"), "--number", number, "--code", "POA")).code == 2
    assert (await henan.run(*upload[:-1], "yesterday")).code == 2
    away = await henan.run(*upload, "--patience", "0.2", node="127.0.0.1:1")
    assert away.code == 3, away
