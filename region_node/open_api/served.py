"""The Open APIs that a node serves."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from region_node.node.settings import RegionSettings

if TYPE_CHECKING:
    from gateway.web.routes import Api


def open_apis(settings: RegionSettings) -> "Sequence[Api]":
    """The APIs that the settings open: none unless they say so."""
    if settings.web is None or not settings.web.open_apis:
        return ()
    # They need an HTTP server, a large import that other nodes do without.
    from region_node.open_api.product_ordering import PRODUCT_ORDERING  # noqa: PLC0415

    return (PRODUCT_ORDERING,)
