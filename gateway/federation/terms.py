"""What the federation calls its regions and categories."""

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.terms_pb2 import CategoryTerm, RegionTerm, Terms


def terms_of(configuration: Configuration) -> Terms:
    """The names in a configuration, by id."""
    return Terms(
        regions=sorted(
            (RegionTerm(region=each.id, name=each.name, time_zone=each.time_zone) for each in configuration.regions),
            key=lambda each: each.region,
        ),
        complaint_categories=sorted(
            (CategoryTerm(code=each.code, name=each.name) for each in configuration.complaint_categories),
            key=lambda each: each.code,
        ),
    )
