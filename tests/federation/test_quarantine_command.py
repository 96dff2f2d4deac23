"""`region-node quarantine` against a region that runs."""

import json

from tests.federation.commands import as_caller, run_command
from tests.federation.running import Federation, until

COLUMNS = (
    "work_id, source, kind, subject, destination, failure, attempts, fail_time, quarantine_time, due_time, is_answered,"
    " state, proposer, reference, decider"
)


async def said(federation: Federation, *words: str, who: str = "wang", language: str = "en", code: int = 0) -> str:
    """The output of the command, as a member of the staff of Sichuan."""
    environment = as_caller(federation, "sichuan", f"staff/{who}", language=language)
    ended = await run_command("region_node.cli.main", "quarantine", *words, environment=environment)
    assert ended.code == code, ended.err
    return ended.out + ended.err


async def test_staff_look_at_quarantined_timers_and_replay_them_or_give_them_up(federation: Federation) -> None:
    database = federation.database("sichuan")
    for name in ("first", "second"):
        values = f"'timer/{name}', 1, 'unknown', '{name}', '', 'KeyError', 12, 1, 2, 3, 0, 1, '', '', ''"
        database.change(f"INSERT INTO quarantined_work ({COLUMNS}) VALUES ({values})")
    assert "timer/first" in await said(federation, "list")
    assert "请联系" in await said(federation, "show", "timer/first", language="zh")
    assert "等待处理" in await said(federation, "list", language="zh")
    assert "QUARANTINED_WORK_NOT_FOUND" in await said(federation, "show", "timer/third", code=1)

    await said(federation, "replay", "timer/first")
    failing = "SELECT attempts FROM failed_timers WHERE timer_id = 'first'"

    async def is_tried() -> bool:
        return bool(database.rows(failing))

    await until(is_tried, "the timer has failed again")

    assert "wang" in await said(federation, "give-up", "timer/second", "INC-1", "--json")
    assert "QUARANTINED_WORK_PROPOSER" in await said(federation, "give-up", "timer/second", "INC-1", code=1)
    assert "given up" in await said(federation, "give-up", "timer/second", "INC-1", who="li")
    assert "QUARANTINED_WORK_DECIDED" in await said(federation, "replay", "timer/second", code=1)
    left = json.loads(await said(federation, "list", "--json"))
    assert "work" not in left
    assert "timer/second" in await said(federation, "list", "--all")
    database.change("DELETE FROM timers WHERE timer_id = 'first'")
