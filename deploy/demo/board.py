"""What the board of the federation sees: the scorecards of all regions, and a risk that a signal has raised."""

from datetime import UTC, datetime, timedelta

from deploy.demo import wording
from deploy.demo.commands import coordinator_command
from deploy.demo.fibre_cut_cast import until
from deploy.demo.world import World
from gateway.api.coordinator.v1.risk_service_pb2 import Risk, RiskState

_RISK = "certificate/henan"
_DEPARTMENT = "INFORMATION_SECURITY"


async def quality_and_risks(world: World) -> None:
    """The month in figures; then the risk of Henan's certificate is planned for, reviewed and shown."""
    stage, folder = world.stage, world.federation.directory
    stage.chapter(
        "What the board sees",
        "Each region counts its own month. Risks come from signals: the certificates of this story end within 30 days,"
        " which no person had to notice. A person decides what is done about it, until when, and looks at it again.",
    )
    month = f"{datetime.now(wording.ZONE):%Y-%m}"
    code = await coordinator_command(world, "quality", "show", "--month", month)
    stage.check("a row for each figure, a column a region", "exit 0", f"exit {code}")
    page = ("--out", str(folder / "quality.html"))
    code = await coordinator_command(world, "quality", "report", "--month", month, *page)
    stage.check("the scorecards of all regions, as a page", "exit 0", f"exit {code}")
    found = await until(world.administrator.risks, lambda risks: _RISK in risks, "the risk of a certificate")
    risk = found[_RISK]
    stage.check("a signal has raised", f"{_RISK}, open, 4×4", _told(risk), f"it ends {risk.signal_detail}")
    due = f"{datetime.now(UTC) + timedelta(days=14):%Y-%m-%dT%H:%M+00:00}"
    plan = ("--plan", "renew it in the yearly round", "--due", due, "--owner", "henan", "--department", _DEPARTMENT)
    code = await coordinator_command(world, "risks", "plan", _RISK, *plan)
    stage.check("it has an owner, a plan and a day", "exit 0", f"exit {code}")
    code = await coordinator_command(world, "risks", "review", _RISK, "--note", "the request is signed")
    after = (await world.administrator.risks())[_RISK]
    is_later = after.review_due_time.seconds > risk.review_due_time.seconds
    seen = f"exit {code}, {_told(after)}, {'later' if is_later else 'as before'}"
    stage.check("reviewed; the next review", f"exit 0, {_RISK}, treated, 4×4, later", seen)
    code = await coordinator_command(world, "risks", "list")
    stage.check("the matrix, and what is open", "exit 0", f"exit {code}")
    code = await coordinator_command(world, "risks", "report", "--out", str(folder / "risks.html"))
    stage.check("the register of risks, as a page", "exit 0", f"exit {code}")


def _told(risk: Risk) -> str:
    state = RiskState.Name(risk.state).removeprefix("RISK_STATE_").lower()
    return f"{risk.id}, {state}, {risk.likelihood}×{risk.impact}"
