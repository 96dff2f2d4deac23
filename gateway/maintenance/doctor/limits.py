"""The limits of the federation that the configuration in force lacks, so that they are off."""

from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.federation.policies import LIMITING, missing_limits
from gateway.federation.policy_rules import limits_remedy
from gateway.maintenance.doctor.findings import Finding, good, not_checked, warning
from gateway.wording.languages import enumerated, translated


def check_limits(configuration: Configuration | None) -> Finding:
    """Names each limiting policy that is off. `configuration` is None where there is none, or none can be read."""
    name = translated("limits of the federation")
    if configuration is None:
        return not_checked(name, translated("no configuration can be read"))
    missing = missing_limits(configuration)
    if not missing:
        return good(name, translated("the configuration has all {count} policies that limit", count=len(LIMITING)))
    told = translated("off, without their policies: {policies}", policies=enumerated(missing))
    return warning(name, told, translated(limits_remedy(missing)))
