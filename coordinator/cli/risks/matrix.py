"""The matrix of likelihood and impact on the terminal, and the colours of scores."""

from collections import Counter
from collections.abc import Iterable

from rich.text import Text

from coordinator.wording.risks import NOBODY, heat, told_score
from gateway.api.coordinator.v1.risk_service_pb2 import Risk
from gateway.api.federation.v1.risk_pb2 import RiskRules
from gateway.cli.terminal import print_table
from gateway.wording.languages import in_language, translated

_STYLES = ("black on green", "black on yellow", "black on dark_orange", "white on red")


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


def scored(rules: RiskRules, risk: Risk) -> Text:
    """The score of a risk in the colour of its band."""
    return Text(told_score(rules, risk), style=_style(rules, risk.likelihood * risk.impact))


def _cell(rules: RiskRules, score: int, count: int) -> Text:
    return Text(f" {count or NOBODY} ({score}) ", style=_style(rules, score))


def _style(rules: RiskRules, score: int) -> str:
    return _STYLES[heat(rules, score)] if rules.bands else ""
