"""The command `region-node`."""

from pathlib import Path
from typing import Final

import click

from gateway.cli.completion import completion_command
from gateway.wording.languages import SpeakingGroup, speaking
from gateway.wording.times import utc_option

_PLACES: Final = {
    "serve": "region_node.cli.node.serve:serve",
    "config": "region_node.cli.node.config:config",
    "doctor": "region_node.cli.node.doctor:doctor",
    "migrate": "region_node.cli.node.database:migrate",
    "move-to-postgresql": "region_node.cli.node.database:move_to_postgresql",
    "backups": "region_node.cli.node.database:backups",
    "keys": "region_node.cli.node.keys:keys",
    "join": "region_node.cli.node.join:join",
    "certificate": "region_node.cli.node.certificate:certificate",
    "credentials": "region_node.cli.node.credentials:credentials",
    "audit": "region_node.cli.node.audit:audit",
    "call": "region_node.cli.call:call",
    "body": "region_node.cli.body:body",
    "orders": "region_node.cli.orders.orders:orders",
    "joint": "region_node.cli.joint.joint:joint",
    "customers": "region_node.cli.customers.customers:customers",
    "quality": "region_node.cli.quality:quality",
    "reconciliation": "region_node.cli.reconciliation:reconciliation",
    "settlement": "region_node.cli.settlement:settlement",
    "quarantine": "region_node.cli.quarantine:quarantine",
    "recovery": "region_node.cli.recovery:recovery",
    "anomalies": "region_node.cli.anomalies:anomalies",
    "approvals": "region_node.cli.approvals:approvals",
    "scopes": "region_node.cli.scopes:scopes",
    "retention": "region_node.cli.retention:retention",
    "impact-records": "region_node.cli.impact_records:impact_records",
    "sharing": "region_node.cli.sharing.sharing:sharing",
    "documents": "region_node.cli.documents:documents",
    "complaints": "region_node.cli.complaints.complaints:complaints",
    "faults": "region_node.cli.faults.faults:faults",
    "problems": "region_node.cli.problems:problems",
    "alarms": "region_node.cli.alarms:alarms",
    "measurements": "region_node.cli.measurements:measurements",
    "agreements": "region_node.cli.agreements:agreements",
    "planned-outages": "region_node.cli.planned_outages:planned_outages",
    "support": "region_node.cli.support.support:support",
    "issues": "region_node.cli.issues.issues:issues",
    "loans": "region_node.cli.loans.loans:loans",
    "bulletins": "region_node.cli.bulletins:bulletins",
    "experts": "region_node.cli.support.experts:experts",
    "spares": "region_node.cli.support.spares:spares",
    "resources": "region_node.cli.support.resources:resources",
    "surveys": "region_node.cli.surveys.surveys:surveys",
}
"""The door of each noun."""


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
