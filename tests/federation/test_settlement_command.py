"""`region-node settlement` and `coordinator settlement` against regions that run."""

from datetime import timedelta

from tests.federation.commands import as_administrator, as_caller, run_command
from tests.federation.running import Federation, until


async def said(federation: Federation, region: str, *words: str, code: int = 0) -> str:
    """The output of the command, as a member of a region's staff."""
    environment = as_caller(federation, region, "staff/wang")
    ended = await run_command("region_node.cli.main", "settlement", *words, environment=environment)
    assert ended.code == code, ended.err
    return ended.out + ended.err


async def test_a_month_is_proposed_by_one_region_and_signed_by_the_other(federation: Federation) -> None:
    month = f"{federation.clock.now().replace(day=1) - timedelta(days=2):%Y-%m}"
    assert month in await said(federation, "sichuan", "sign", "guangdong", month, code=1), "nothing is proposed"
    await said(federation, "guangdong", "sign", "sichuan", month)

    async def is_there(region: str, state: str) -> bool:
        return state in await said(federation, region, "months", "--month", month)

    await until(lambda: is_there("sichuan", "proposed"), "the other region has the proposal")
    await said(federation, "sichuan", "sign", "guangdong", month)
    await until(lambda: is_there("guangdong", "signed"), "both have both signatures")
    ended = await run_command(
        "coordinator.cli.main", "settlement", "--month", month, environment=as_administrator(federation)
    )
    assert ended.code == 0, ended.err
    assert "nothing" in ended.out
    assert "records of this region" in await said(federation, "guangdong", "show", "sichuan", month)
