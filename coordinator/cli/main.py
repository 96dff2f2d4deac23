"""The `coordinator` command."""

from pathlib import Path

import click

from coordinator.cli.complaints.complaints import complaints
from coordinator.cli.exits import EPILOG
from coordinator.cli.federation.certificates import certificates
from coordinator.cli.federation.federation import federation
from coordinator.cli.federation.regions import regions
from coordinator.cli.network.network import network
from coordinator.cli.network.planned_outages import planned_outages
from coordinator.cli.network.problems import outages, problems
from coordinator.cli.node.audit import audit_group
from coordinator.cli.node.config import config
from coordinator.cli.node.doctor import doctor
from coordinator.cli.node.migrate import migrate
from coordinator.cli.node.move import move_to_postgresql
from coordinator.cli.node.serve import serve
from coordinator.cli.orders import orders
from gateway.completion import completion_command
from gateway.languages import SpeakingGroup, speaking


@click.group(cls=SpeakingGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="crossregion", prog_name="coordinator")
def main() -> None:
    """Run a coordinator, or administer a federation through one.

    Commands that ask a coordinator take --coordinator, --credentials and --federation, or
    CROSSREGION_COORDINATOR, CROSSREGION_CREDENTIALS and CROSSREGION_FEDERATION from the environment.
    `serve`, `config`, `doctor`, `migrate`, `move-to-postgresql` and `audit` read the coordinator's own settings: a
    file, COORDINATOR_* and --set.
    """


for _command in (
    audit_group,
    certificates,
    complaints,
    config,
    doctor,
    federation,
    migrate,
    move_to_postgresql,
    network,
    orders,
    outages,
    problems,
    planned_outages,
    regions,
    serve,
    completion_command("coordinator"),
):
    main.add_command(_command)
speaking(main, Path(__file__).parents[1] / "texts")

if __name__ == "__main__":
    main()
