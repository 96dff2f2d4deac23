"""The sinks of escalation notices: a file with whole lines, and an authenticated webhook."""

import asyncio
import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.api.federation.v1.configuration_pb2 import ComplaintSeverity
from gateway.api.provider.v1.raised_complaint_pb2 import RaisedComplaint
from gateway.api.region.v1.complaint_pb2 import ComplaintState, EscalationTrigger, TimeReason
from gateway.errors import Unreachable
from region_node.care.escalations.file import FileSink
from region_node.care.escalations.webhook import Webhook
from region_node.cli.node.escalation_checks import check_escalations
from region_node.node.settings import EscalationSettings, RegionSettings, WebhookSettings
from tests.unit.test_region_settings import GOOD, settings_of
from tests.webhook import serving

SECONDS = 5.0


def raised(ticket_id: str = "guangdong/20261210-17", level: int = 3) -> RaisedComplaint:
    told = RaisedComplaint(
        id=f"{ticket_id}/L{level}",
        ticket_id=ticket_id,
        level=level,
        trigger=EscalationTrigger.ESCALATION_TRIGGER_LIMIT_PASSED,
        region="sichuan",
        category="BILL_WRONG",
        severity=ComplaintSeverity.COMPLAINT_SEVERITY_S3,
        state=ComplaintState.COMPLAINT_STATE_IN_PROGRESS,
        origin_region="guangdong",
        owner_region="sichuan",
    )
    told.due_time.FromJsonString("2026-12-10T08:00:00Z")
    told.custody.region, told.custody.reason = "sichuan", TimeReason.TIME_REASON_WORKING
    return told


def lines(path: Path) -> list[str]:
    return [json.loads(line)["id"] for line in path.read_text("utf-8").splitlines()]


def tell(sink: FileSink | Webhook, *told: RaisedComplaint) -> None:
    async def all_of_them() -> None:
        await asyncio.gather(*(sink.tell(each, SECONDS) for each in told))

    asyncio.run(all_of_them())


def test_every_level_is_a_whole_line_of_a_file_that_its_owner_alone_reads(tmp_path: Path) -> None:
    path = tmp_path / "escalations.jsonl"
    ticket_ids = [f"guangdong/1-{number}" for number in range(40)]
    tell(FileSink(path), *(raised(ticket_id) for ticket_id in ticket_ids))
    assert sorted(lines(path)) == sorted(f"{ticket_id}/L3" for ticket_id in ticket_ids)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    told = json.loads(path.read_text("utf-8").splitlines()[0])
    assert (told["level"], told["trigger"], told["due_time"]) == (
        3,
        "ESCALATION_TRIGGER_LIMIT_PASSED",
        "2026-12-10T08:00:00Z",
    )
    assert told["custody"] == {"region": "sichuan", "reason": "TIME_REASON_WORKING"}


def test_a_line_that_was_cut_off_spoils_no_other_and_a_file_that_is_moved_away_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "escalations.jsonl"
    tell(FileSink(path), raised(level=1))
    path.write_text(path.read_text("utf-8") + '{"id": "cut o', encoding="utf-8")
    tell(FileSink(path), raised(level=2))
    first, cut, last = path.read_text("utf-8").splitlines()
    assert (json.loads(first)["level"], cut, json.loads(last)["level"]) == (1, '{"id": "cut o', 2)
    path.rename(tmp_path / "older.jsonl")
    tell(FileSink(path), raised(level=3))
    assert lines(path) == ["guangdong/20261210-17/L3"]


def test_a_file_that_cannot_be_written_has_not_taken_it(tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        tell(FileSink(tmp_path / "nowhere" / "escalations.jsonl"), raised())


def test_a_webhook_is_posted_the_level_with_its_id_and_its_token(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n", encoding="utf-8")
    with serving(tmp_path) as hook:
        tell(Webhook(WebhookSettings(hook.url, authority=hook.authority, token=token)), raised())
    assert hook.ids() == ["guangdong/20261210-17/L3"]
    (headers,) = hook.headers
    assert headers["Idempotency-Key"] == "guangdong/20261210-17/L3"
    assert headers["Authorization"] == "Bearer s3cret"
    assert headers["Content-Type"].startswith("application/json")
    assert hook.paths == ["/escalations?from=region"]


@pytest.mark.parametrize("answer", [301, 302, 307, 400, 409, 500, 503])
def test_only_a_good_answer_counts_and_no_redirect_is_followed(answer: int) -> None:
    with serving() as hook, serving() as elsewhere:
        hook.answers, hook.location = [answer], elsewhere.url
        with pytest.raises(Unreachable, match=str(answer)):
            tell(Webhook(WebhookSettings(hook.url)), raised())
    assert (len(hook.bodies), elsewhere.bodies) == (1, [])


def test_a_webhook_that_does_not_prove_who_it_is_is_told_nothing(tmp_path: Path) -> None:
    with serving(tmp_path) as hook:
        for settings in (
            WebhookSettings(hook.url),  # of an authority that the machine does not trust
            WebhookSettings(hook.url.replace("127.0.0.1", "localhost"), authority=hook.authority),  # of another name
        ):
            with pytest.raises(Unreachable, match="SSLCertVerificationError"):
                tell(Webhook(settings), raised())
    assert hook.bodies == []


@pytest.mark.parametrize("content", ["", "two tokens", "a\r\nHost: elsewhere"])
def test_what_is_no_token_is_sent_nowhere_and_told_nobody(tmp_path: Path, content: str) -> None:
    token = tmp_path / "token"
    token.write_text(content, encoding="utf-8")
    with serving() as hook, pytest.raises(Unreachable, match="does not hold one secret") as refused:
        tell(Webhook(WebhookSettings(hook.url, token=token)), raised())
    assert hook.bodies == []
    assert not content or content not in str(refused.value)


def node_settings(directory: Path, escalations: EscalationSettings) -> RegionSettings:
    return replace(settings_of(directory, GOOD), escalations=escalations)


def states(settings: RegionSettings) -> list[str]:
    return [each.state.value for each in check_escalations(settings)]


def test_the_doctor_looks_at_both_and_tells_neither_anything(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert states(node_settings(tmp_path, EscalationSettings())) == ["good"]
    assert not data.exists()
    with serving(tmp_path) as hook:
        good = WebhookSettings(hook.url, authority=hook.authority)
        assert states(node_settings(tmp_path, EscalationSettings(tmp_path / "told.jsonl", good))) == ["good", "good"]
        strange = EscalationSettings(tmp_path / "nowhere" / "told.jsonl", WebhookSettings(hook.url))
        assert states(node_settings(tmp_path, strange)) == ["bad", "bad"]
        tokenless = WebhookSettings(hook.url, authority=hook.authority, token=tmp_path / "missing")
        assert states(node_settings(tmp_path, EscalationSettings(webhook=tokenless))) == ["good", "bad"]
    assert states(node_settings(tmp_path, EscalationSettings(webhook=good))) == ["good", "bad"]
    assert (hook.bodies, (tmp_path / "told.jsonl").exists()) == ([], False)
