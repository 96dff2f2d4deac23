"""The matrix of likelihood and impact on the terminal, and the words for scores and plans."""

from collections import Counter
from collections.abc import Iterable

from rich.text import Text

from gateway.api.coordinator.v1.risk_service_pb2 import Risk, RiskPlans
from gateway.api.federation.v1.risk_pb2 import RiskRules
from gateway.cli.terminal import print_table
from gateway.wording.languages import in_language, translated

_STYLES = ("black on green", "black on yellow", "black on dark_orange", "white on red")
NOBODY = "·"
"""A cell without risks."""


def show_matrix(rules: RiskRules, risks: Iterable[Risk]) -> None:
    """Prints the number of risks of each cell; likelihood goes up, impact to the right.

    A cell has its score, and the colour of its band.
    """
    if not rules.bands:
        return
    counts = Counter((each.likelihood, each.impact) for each in risks)
    impacts = range(1, len(rules.impacts) + 1)
    titles = [translated("likelihood \\ impact")]
    titles += [f"{number} {in_language(rules.impacts[number - 1].name)}" for number in impacts]
    rows: list[list[str | Text]] = [
        [
            f"{likelihood} {in_language(rules.likelihoods[likelihood - 1].name)}",
            *(_cell(rules, likelihood * impact, counts[likelihood, impact]) for impact in impacts),
        ]
        for likelihood in range(len(rules.likelihoods), 0, -1)
    ]
    print_table(titles, rows, translated("Number of risks (score)"))


def band_number(rules: RiskRules, score: int) -> int:
    """The number of the band of a score, from 0; -1 without bands."""
    return sum(each.least_score <= score for each in rules.bands) - 1


def told_score(rules: RiskRules, risk: Risk) -> Text:
    """Likelihood, impact and band of a risk: `5×4 = 20 Extreme`."""
    score = risk.likelihood * risk.impact
    band = band_number(rules, score)
    name = in_language(rules.bands[band].name) if band >= 0 else ""
    return Text(f"{risk.likelihood}×{risk.impact} = {score} {name}".rstrip(), style=_style(rules, score))


def told_plans(plans: RiskPlans) -> str:
    """How many plans ended in time, of all that ended or are overdue; empty without any."""
    ended = plans.in_time + plans.late
    return f"{plans.in_time:,}/{ended:,}" if ended else ""


def _cell(rules: RiskRules, score: int, count: int) -> Text:
    return Text(f" {count or NOBODY} ({score}) ", style=_style(rules, score))


def heat(rules: RiskRules, score: int) -> int:
    """The colour of a band, 0 to 3: the highest band has the strongest one."""
    above = len(rules.bands) - 1 - band_number(rules, score)
    return max(0, len(_STYLES) - 1 - above)


def _style(rules: RiskRules, score: int) -> str:
    return _STYLES[heat(rules, score)] if rules.bands else ""
