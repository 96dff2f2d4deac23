"""Regions that have left the federation, as a question about them names them. Pure."""

from collections.abc import Collection, Sequence

from gateway.errors import invalid

MOST_FORMER_REGIONS = 64
"""The most former regions that one question names: each costs the answering region reads of its database."""


def require_former(field: str, regions: Sequence[str], present: Collection[str]) -> None:
    """Raises Refused with REQUEST_INVALID for none or too many, for one named twice, and for one of `present`."""
    if not 1 <= len(regions) <= MOST_FORMER_REGIONS:
        raise invalid(field, f"not 1 to {MOST_FORMER_REGIONS} regions", f"须为1至{MOST_FORMER_REGIONS}个地区")
    if len(set(regions)) != len(regions):
        raise invalid(field, "names a region twice", "同一地区出现两次")
    if any(not each or each in present for each in regions):
        raise invalid(field, "names a region that has not left the federation", "含有未退出联盟的地区")


def in_questions(regions: Sequence[str]) -> Sequence[Sequence[str]]:
    """Former regions in parts, each of which one question may name."""
    starts = range(0, len(regions), MOST_FORMER_REGIONS)
    return [regions[start : start + MOST_FORMER_REGIONS] for start in starts]
