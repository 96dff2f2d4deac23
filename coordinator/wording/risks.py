"""Risks: their titles, scores and bands."""

import re
from collections.abc import Iterable, Sequence

from gateway.api.coordinator.v1.risk_service_pb2 import Risk, RiskPlans
from gateway.api.federation.v1.risk_pb2 import RiskRules, RiskSource
from gateway.web.tables import Cell, Table
from gateway.wording.body import told_department
from gateway.wording.languages import enumerated, in_language, translated
from gateway.wording.terms import region_name
from gateway.wording.times import instant_of, told_time
from gateway.wording.words import value_word

NOBODY = "·"
"""A cell without risks."""
_HEATS = 4  # colours of bands
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d \+00:00")  # as the registry keeps it


def title_of(rules: RiskRules, risk: Risk) -> str:
    """The title by the person who added it, or that of its signal."""
    found = next((in_language(each.title) for each in rules.signals if each.source == risk.source), "")
    return risk.title or found or value_word(RiskSource.DESCRIPTOR, risk.source)


def told_signal(detail: str) -> str:
    """The detail of a signal, with its times in the zone of the reader."""
    return _TIME.sub(lambda found: _in_zone(found[0]), detail)


def _in_zone(written: str) -> str:
    try:
        return told_time(instant_of(written))
    except (ValueError, OverflowError):
        return written  # no time, or one at an end of the calendar


def band_number(rules: RiskRules, score: int) -> int:
    """The number of the band of a score, from 0; -1 without bands."""
    return sum(each.least_score <= score for each in rules.bands) - 1


def heat(rules: RiskRules, score: int) -> int:
    """The colour of a band, 0 to 3: the highest band has the strongest one."""
    above = len(rules.bands) - 1 - band_number(rules, score)
    return max(0, _HEATS - 1 - above)


def told_score(rules: RiskRules, risk: Risk) -> str:
    """Likelihood, impact and band of a risk: `5×4 = 20 Extreme`."""
    score = risk.likelihood * risk.impact
    band = band_number(rules, score)
    name = in_language(rules.bands[band].name) if band >= 0 else ""
    return f"{risk.likelihood}×{risk.impact} = {score} {name}".rstrip()


def told_owner(risk: Risk) -> str:
    """The region and the department that answer for a risk; empty for none."""
    return " ".join(filter(None, (region_name(risk.owner_region), told_department(risk.owner_department))))


def matrix_table(rules: RiskRules, risks: Sequence[Risk]) -> Table:
    """Likelihood goes up, impact to the right; a cell has the number of its risks."""
    impacts = range(1, len(rules.impacts) + 1)
    titles = [f"{each} {in_language(rules.impacts[each - 1].name)}" for each in impacts]
    return Table(
        label=translated("Likelihood and impact"),
        head=[Cell(translated("likelihood \\ impact"), "col", "name"), *(Cell(each, "col") for each in titles)],
        rows=[
            [
                Cell(f"{likelihood} {in_language(rules.likelihoods[likelihood - 1].name)}", "row"),
                *(_cell(rules, likelihood, impact, risks) for impact in impacts),
            ]
            for likelihood in range(len(rules.likelihoods), 0, -1)
        ],
        caption=translated("Number of risks in each cell"),
        style="bands",
        is_compared=True,
    )


def _cell(rules: RiskRules, likelihood: int, impact: int, risks: Iterable[Risk]) -> Cell:
    found = [each.id for each in risks if (each.likelihood, each.impact) == (likelihood, impact)]
    style = f"band-{heat(rules, likelihood * impact)}"
    return Cell(f"{len(found):,}" if found else NOBODY, style=style, hint=enumerated(found))


def told_plans(plans: RiskPlans) -> str:
    """How many plans ended in time, of all that ended or are overdue; empty without any."""
    ended = plans.in_time + plans.late
    return f"{plans.in_time:,}/{ended:,}" if ended else ""
