"""The command `region-node`."""

from pathlib import Path

import click

from gateway.completion import completion_command
from gateway.languages import SpeakingGroup, speaking
from region_node.cli.call import call
from region_node.cli.complaints.attachments import attach, attachment
from region_node.cli.complaints.complaint_desk import classify
from region_node.cli.complaints.complaint_import import import_file as import_complaints
from region_node.cli.complaints.complaint_levels import escalations
from region_node.cli.complaints.complaints import complaints
from region_node.cli.complaints.dossier import dossier
from region_node.cli.complaints.improvement import actions
from region_node.cli.customers.customers import customers
from region_node.cli.customers.documents import documents
from region_node.cli.customers.retention import hold, impact_records, list_holds, release_hold, retention
from region_node.cli.customers.sharing import sharing
from region_node.cli.network.agreements import agreements
from region_node.cli.network.alarms import alarms
from region_node.cli.network.faults import faults
from region_node.cli.network.measurements import measurements
from region_node.cli.network.planned_outages import planned_outages
from region_node.cli.network.problems import problems
from region_node.cli.network.support import support
from region_node.cli.network.support_registry import experts, spares
from region_node.cli.node.audit import audit
from region_node.cli.node.config import config
from region_node.cli.node.doctor import doctor
from region_node.cli.node.keys import keys
from region_node.cli.node.migrate import migrate
from region_node.cli.node.move import move_to_postgresql
from region_node.cli.node.serve import serve
from region_node.cli.orders.orders import orders


@click.group(cls=SpeakingGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="crossregion", prog_name="region-node")
def main() -> None:
    """Run a region node, call it from the shell, look after it and its database, and check its audit chain.

    Commands of business (`orders`, `complaints`, `faults`, `alarms` and so on) take where the node is, and who asks,
    from options or CROSSREGION_* in the environment. Those that look after the node itself read its own settings: a
    file, REGION_NODE_* and --set.
    """


for command in (
    serve,
    config,
    doctor,
    migrate,
    move_to_postgresql,
    call,
    orders,
    customers,
    keys,
    sharing,
    documents,
    complaints,
    faults,
    problems,
    alarms,
    measurements,
    agreements,
    planned_outages,
    support,
    experts,
    spares,
    audit,
    retention,
    impact_records,
    completion_command("region-node"),
):
    main.add_command(command)
for command in (hold, release_hold, list_holds):
    customers.add_command(command)
for command in (attach, attachment, classify, dossier, escalations, actions, import_complaints):
    complaints.add_command(command)
speaking(main, Path(__file__).parents[1] / "texts")


if __name__ == "__main__":
    main()
