"""The person behind a request of an operator system, as its `requester` says."""

SELF_SERVICE = "self-service"
"""The staff id of a request in which no member of staff acts: a customer acts alone, or a system by itself."""


def is_same_person(one: str, other: str) -> bool:
    """Whether two staff ids may be of one person: identity providers may give an id as its owner has typed it."""
    return one.casefold() == other.casefold()
