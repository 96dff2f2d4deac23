"""Exact arithmetic on amounts in minor units."""

import re

# Far more than any debt, and within the range of the message's number.
_WRITTEN = re.compile(r"([0-9]{1,15})|([0-9]{1,13})\.([0-9]{1,2})")


def share_half_up(minor_units: int, numerator: int, denominator: int) -> int:
    """`minor_units * numerator / denominator`, rounded half away from zero, once.

    Used once per bill line, so that no line is rounded twice. Raises ValueError unless the denominator is positive.
    """
    if denominator <= 0:
        raise ValueError("the denominator of a share is positive")
    product = minor_units * numerator
    rounded = (2 * abs(product) + denominator) // (2 * denominator)
    return rounded if product >= 0 else -rounded


def in_major_units(minor_units: int, currency: str) -> str:
    """An amount for people, for example `12.50 CNY`."""
    sign = "-" if minor_units < 0 else ""
    return f"{sign}{abs(minor_units) // 100}.{abs(minor_units) % 100:02d} {currency}"


def minor_units_of(written: str) -> int | None:
    """Parses a written amount: whole numbers are minor units (`1200`), numbers with a point major units (`12.00`,
    `12.5`).

    None for any other text, or a fraction of a minor unit (`12.005`).
    """
    found = _WRITTEN.fullmatch(written)
    if found is None:
        return None
    minor, major, cents = found.groups()
    return int(minor) if minor is not None else int(major) * 100 + int(cents.ljust(2, "0"))
