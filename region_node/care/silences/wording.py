"""The words for a silent owner of a ticket between regions."""

from gateway.api.region.v1.silence_pb2 import OwnerSilence
from gateway.federation.body import escalation_level
from gateway.wording.languages import translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_time


def told_owner(region: str, *, is_silent: bool) -> str:
    """The name of an owner region, and that it is silent."""
    name = region_name(region)
    return translated("{region}, which is silent", region=name) if is_silent else name


def told_silence(silence: OwnerSilence) -> str:
    """Since when an owner region has been silent, and who calls whom about it."""
    due = told_time(silence.due_time)
    if not silence.region:
        return translated("The owner region has been silent since {time}", time=due)
    return translated(
        "The owner region has been silent since {time}: {region} calls level {level} of the coordination body",
        time=due,
        region=region_name(silence.region),
        level=f"L{escalation_level(silence.limits_passed)}",
    )
