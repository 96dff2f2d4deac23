"""The person behind a request of an operator system, as its `requester` says."""

SELF_SERVICE = "self-service"
"""The staff id of a request in which no member of staff acts: a customer acts alone, or a system by itself."""
