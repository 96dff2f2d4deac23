"""Exact arithmetic on amounts in minor units."""


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
