"""`region-node serve`."""

from gateway.maintenance.serving import Serve, serve_command
from region_node.cli.node.config import REGION_NODE
from region_node.node.settings import RegionSettings


def _imported() -> Serve[RegionSettings]:
    from region_node.app.process import serve  # noqa: PLC0415 - a whole node

    return serve


serve = serve_command(REGION_NODE, _imported)
