"""The end of a proposal that waits for a second person without an approval: of a payment, or of a repair."""

from datetime import datetime

from region_node.node.context import RegionContext


def counts(expires: datetime, certificates: bytes | None, context: RegionContext, now: datetime) -> bool:
    """Whether a proposal may be confirmed: a thief may have made it, or made it long ago.

    The certificates are those of the proposer as `pem_of`; None where an identity provider has vouched for the person.
    """
    return now < expires and not context.border.keys.revocations.names_any(certificates)
