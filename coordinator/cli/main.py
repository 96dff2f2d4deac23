"""The `coordinator` command."""

from pathlib import Path
from typing import Final

import click

from coordinator.cli.exit_codes import EPILOG
from gateway.cli.completion import completion_command
from gateway.wording.languages import SpeakingGroup, speaking
from gateway.wording.times import utc_option, zone_option

_PLACES: Final = {
    "serve": "coordinator.cli.node.serve:serve",
    "config": "coordinator.cli.node.config:config",
    "doctor": "coordinator.cli.node.doctor:doctor",
    "migrate": "coordinator.cli.node.database:migrate",
    "move-to-postgresql": "coordinator.cli.node.database:move_to_postgresql",
    "backups": "coordinator.cli.node.database:backups",
    "audit": "coordinator.cli.node.audit:audit_group",
    "certificates": "coordinator.cli.certificates:certificates",
    "administrators": "coordinator.cli.administrators:administrators",
    "enrolments": "coordinator.cli.enrolments:enrolments",
    "revocations": "coordinator.cli.revocations:revocations",
    "federation": "coordinator.cli.federation.federation:federation",
    "regions": "coordinator.cli.regions:regions",
    "body": "coordinator.cli.body:body",
    "orders": "coordinator.cli.orders.orders:orders",
    "complaints": "coordinator.cli.complaints.complaints:complaints",
    "moves": "coordinator.cli.moves:moves",
    "issues": "coordinator.cli.issues:issues",
    "bulletins": "coordinator.cli.bulletins:bulletins",
    "resources": "coordinator.cli.resources:resources",
    "network": "coordinator.cli.network.network:network",
    "outages": "coordinator.cli.outages:outages",
    "problems": "coordinator.cli.problems:problems",
    "quality": "coordinator.cli.quality.quality:quality",
    "risks": "coordinator.cli.risks.risks:risks",
    "reconciliation": "coordinator.cli.reconciliation:reconciliation",
    "settlement": "coordinator.cli.settlement:settlement",
    "upgrade": "coordinator.cli.upgrade.upgrade:upgrade",
    "planned-outages": "coordinator.cli.planned_outages:planned_outages",
}
"""The door of each noun."""


@click.group(cls=SpeakingGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="crossregion", prog_name="coordinator")
def main() -> None:
    """Run a coordinator, or administer a federation through one.

    Commands that ask a coordinator take --coordinator, --credentials and --federation, or
    CROSSREGION_COORDINATOR, CROSSREGION_CREDENTIALS and CROSSREGION_FEDERATION from the environment.
    `serve`, `config`, `doctor`, `migrate` and `move-to-postgresql` read the coordinator's own settings: a file,
    COORDINATOR_* and --set. `audit` takes either.
    """


main.add_command(completion_command("coordinator"))
speaking(main, Path(__file__).parents[1] / "texts", _PLACES, (zone_option, utc_option))

if __name__ == "__main__":
    main()
