"""The command `region-node`."""

from pathlib import Path
from typing import Final

import click

from gateway.completion import completion_command
from gateway.languages import SpeakingGroup, speaking
from gateway.times import utc_option

_PLACES: Final = {
    "serve": "region_node.cli.node.serve:serve",
    "config": "region_node.cli.node.config:config",
    "doctor": "region_node.cli.node.doctor:doctor",
    "migrate": "region_node.cli.node.migrate:migrate",
    "move-to-postgresql": "region_node.cli.node.move:move_to_postgresql",
    "keys": "region_node.cli.node.keys:keys",
    "audit": "region_node.cli.node.audit:audit",
    "call": "region_node.cli.call:call",
    "orders": "region_node.cli.orders.orders:orders",
    "customers": "region_node.cli.customers.customers:customers",
    "customers hold": "region_node.cli.customers.retention:hold",
    "customers release-hold": "region_node.cli.customers.retention:release_hold",
    "customers holds": "region_node.cli.customers.retention:list_holds",
    "retention": "region_node.cli.customers.retention:retention",
    "impact-records": "region_node.cli.customers.retention:impact_records",
    "sharing": "region_node.cli.customers.sharing:sharing",
    "documents": "region_node.cli.customers.documents:documents",
    "complaints": "region_node.cli.complaints.complaints:complaints",
    "complaints actions": "region_node.cli.complaints.improvement:actions",
    "complaints attach": "region_node.cli.complaints.attachments:attach",
    "complaints attachment": "region_node.cli.complaints.attachments:attachment",
    "complaints classify": "region_node.cli.complaints.complaint_desk:classify",
    "complaints dossier": "region_node.cli.complaints.dossier:dossier",
    "complaints escalations": "region_node.cli.complaints.complaint_levels:escalations",
    "complaints import": "region_node.cli.complaints.complaint_import:import_file",
    "faults": "region_node.cli.network.faults:faults",
    "problems": "region_node.cli.network.problems:problems",
    "alarms": "region_node.cli.network.alarms:alarms",
    "measurements": "region_node.cli.network.measurements:measurements",
    "agreements": "region_node.cli.network.agreements:agreements",
    "planned-outages": "region_node.cli.network.planned_outages:planned_outages",
    "support": "region_node.cli.network.support:support",
    "experts": "region_node.cli.network.support_registry:experts",
    "spares": "region_node.cli.network.support_registry:spares",
}
"""Where each command is, by its words."""


@click.group(cls=SpeakingGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="crossregion", prog_name="region-node")
def main() -> None:
    """Run a region node, call it from the shell, look after it and its database, and check its audit chain.

    Commands of business (`orders`, `complaints`, `faults`, `alarms` and so on) take where the node is, and who asks,
    from options or CROSSREGION_* in the environment. Those that look after the node itself read its own settings: a
    file, REGION_NODE_* and --set.
    """


main.add_command(completion_command("region-node"))
speaking(main, Path(__file__).parents[1] / "texts", _PLACES, (utc_option,))

if __name__ == "__main__":
    main()
