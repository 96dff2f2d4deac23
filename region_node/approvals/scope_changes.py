"""The change of the scope of an operator system: whether it widens any right, and its text. Pure."""

import json
from collections.abc import Iterator, Mapping

from gateway.errors import invalid
from gateway.values.lists import joined
from gateway.values.nearest import nearest
from region_node.node.operator_scopes import ALL, LISTS, NAMED, UNLIMITED, Scope, effective, operators_of_clients

Scopes = Mapping[str, Scope]
Names = Mapping[str, frozenset[str]]
"""The names of the contract and of the configuration that a scope may have, by its lists."""


def changed(scopes: Scopes, operator: str, scope: Scope | None) -> Scopes:
    """The scopes with another one of an operator system; None removes it."""
    others = {name: each for name, each in scopes.items() if name != operator}
    return others if scope is None else {**others, operator: scope}


def widens(before: Scopes, after: Scopes, operator: str) -> bool:
    """Whether an operator system, or a client at the identity provider, may do more than before.

    Removal of a person's own scope may widen: that of any staff takes its place. A higher amount widens also where no
    business takes money in yet: a later proposal of one would not name it. Another client brings other people's tokens.
    """
    old, new = effective(before, operator), effective(after, operator)
    return (
        any(not _covers(getattr(old, each), getattr(new, each)) for each in LISTS)
        or _is_more(new.amount_a_day, old.amount_a_day)
        or new.staff == NAMED != old.staff
        or (operator in after and new.client_id != old.client_id)
        or bool(_gained(before, after))
    )


def require_known(before: Scopes, after: Scopes, operator: str, known: Names) -> None:
    """Raises Refused with REQUEST_INVALID for a name that an operator system gains and that is not known.

    A name that it has already may be of a business or a purpose that the configuration no longer has.
    """
    old, new = effective(before, operator), effective(after, operator)
    for each in LISTS:
        for name in sorted(getattr(new, each) - getattr(old, each) - {ALL} - known[each]):
            near = joined(nearest(name, known[each]))
            problem, chinese = f"{json.dumps(name)} is unknown", f"{json.dumps(name)}未知"
            if near.en:
                problem, chinese = f"{problem}; similar: {near.en}", f"{chinese}；相近：{near.zh_cn}"
            raise invalid(f"scope.{each}", problem, chinese)


def told_change(before: Scopes, after: Scopes, operator: str) -> str:
    """Each difference, for people who decide on it and for the audit chain; empty for none.

    Names are JSON, so that none of them looks like another difference.
    """
    if before.get(operator) == after.get(operator):
        return ""
    step = ["added"] if operator not in before else ["removed"] if operator not in after else []
    differences = _differences(effective(before, operator), effective(after, operator))
    clients = [f"client_id of {name} counts" for _, name in sorted(_gained(before, after).items()) if name != operator]
    return f"{operator}: {'; '.join([*step, *differences, *clients])}"


def _gained(before: Scopes, after: Scopes) -> dict[str, str]:
    """The clients that are another operator system than before, each with it."""
    known = operators_of_clients(before)
    return {client: name for client, name in operators_of_clients(after).items() if known.get(client) != name}


def _covers(before: frozenset[str], after: frozenset[str]) -> bool:
    return ALL in before or after <= before


def _is_more(amount: int | None, than: int | None) -> bool:
    return than is not None and (amount is None or amount > than)


def _differences(before: Scope, after: Scope) -> Iterator[str]:
    for each in LISTS:
        old, new = getattr(before, each), getattr(after, each)
        for sign, names in (("+", new - old), ("-", old - new)):
            if names:
                yield f"{each} {sign} {json.dumps(sorted(names))}"
    if before.amount_a_day != after.amount_a_day:
        yield f"amount_a_day {_amount(before)} -> {_amount(after)}"
    for each in ("staff", "client_id"):
        old, new = getattr(before, each), getattr(after, each)
        if old != new:
            yield f"{each} {json.dumps(old)} -> {json.dumps(new)}"


def _amount(scope: Scope) -> str:
    return UNLIMITED if scope.amount_a_day is None else str(scope.amount_a_day)
