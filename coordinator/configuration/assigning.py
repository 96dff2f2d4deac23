"""The assignment of a number to another region, and its stay in the number plan. Pure."""

from gateway.api.federation.v1.configuration_pb2 import Configuration, NumberException
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.numberplan import NumberPlan, normalize


def assigned(configuration: Configuration, wanted: NumberException, giver: str) -> Configuration | None:
    """The configuration with a number of the region `giver` assigned to another; None where it names that one already.

    A number that returns to the region of its prefix keeps an exception: an older database of another region, restored
    then, has its line still, which counts more than a prefix. Raises Refused with NOT_HOME where the plan
    gives the number to a third region, which alone could give it away, and with NUMBER_INVALID for no number in E.164.
    """
    number = normalize(wanted.number)
    home = NumberPlan(configuration.number_plan).home_of(number)
    if home == wanted.region:
        return None
    if home != giver:
        raise Refused(Reason.REASON_NOT_HOME, region=giver)
    changed = Configuration()
    changed.CopyFrom(configuration)
    plan = changed.number_plan
    others = [each for each in plan.exceptions if each.number != number]
    del plan.exceptions[:]
    plan.exceptions.extend(others)
    plan.exceptions.add(number=number, region=wanted.region)
    return changed


def keep_exceptions(before: Configuration, wanted: Configuration) -> None:
    """Adds the exceptions in force to a wanted number plan that says nothing of their numbers.

    Moves of customers have made them, and no file knows of those.
    """
    said = {each.number for each in wanted.number_plan.exceptions}
    kept = [each for each in before.number_plan.exceptions if each.number not in said]
    if kept:
        wanted.number_plan.exceptions.extend(kept)
