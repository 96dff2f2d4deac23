"""The question of the pages about paths: a quality class, figures measured or by design, and another network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from coordinator.console.registry import network_of
from coordinator.network.rules import FIGURES, Change, changed_links, parsed_change
from coordinator.wording.answers import unanswered_line
from coordinator.wording.elements import names_in, site_names
from coordinator.wording.paths import told_down, told_missing
from gateway.api.coordinator.v1.administration_pb2 import UnansweredRegion
from gateway.api.coordinator.v1.path_service_pb2 import PathBasis
from gateway.api.federation.v1.network_pb2 import Network
from gateway.cli.problems import Names
from gateway.errors import invalid
from gateway.web.console.lists import TextFilter, chosen_of, chosen_word, text_filter
from gateway.web.console.pages import Calling, Visit
from gateway.web.console.parts import Choice, Option
from gateway.wording.languages import enumerated, in_language, translated

CLASS, BASIS, DOWN, CHANGE = "class", "basis", "down", "change"
QUERY = (CLASS, BASIS, DOWN, CHANGE)
_DESIGN = "design"


@dataclass(frozen=True)
class Question:
    """The registry of the network, and the basis of the paths."""

    network: Network
    basis: PathBasis

    @cached_property
    def elements(self) -> Names:
        """The names of sites, links and services, each with its id, in the language of the page."""
        return names_in(self.network)

    @property
    def names(self) -> Mapping[str, str]:
        """The names of the sites, by id, in the language of the page."""
        return site_names(self.network)


async def read_question(visit: Visit, calling: Calling) -> Question:
    """The question in the address. Raises Refused with LINK_UNKNOWN, or REQUEST_INVALID for a wrong change or basis."""
    network = await network_of(calling)
    basis = PathBasis(
        by_design=chosen_word(visit, BASIS, (_DESIGN,)) == _DESIGN,
        down=visit.query.text(DOWN).split(),
        quality_class=visit.query.text(CLASS),
        changed_links=changed_links(network.links, [_change(each) for each in visit.query.text(CHANGE).split()]),
    )
    return Question(network, basis)


def _change(said: str) -> Change:
    change = parsed_change(said)
    if change is None:
        known = enumerated(FIGURES)
        raise invalid(
            CHANGE,
            f"it is LINK:FIGURE=NUMBER[,...], of these figures: {known}",
            f"格式为LINK:FIGURE=NUMBER[,...]，可用指标为{known}",
        )
    return change


def choices(visit: Visit, question: Question) -> Sequence[Choice]:
    """The filters with values to choose from."""
    classes = [Option(each.name, in_language(each.title) or each.name) for each in question.network.quality_classes]
    bases = [Option("", translated("measured")), Option(_DESIGN, translated("by design"))]
    return [
        chosen_of(visit, CLASS, translated("Quality class"), classes),
        Choice(BASIS, translated("Figures"), bases, visit.query.text(BASIS)),
    ]


def texts(visit: Visit) -> Sequence[TextFilter]:
    """The filters that take any text."""
    return [
        text_filter(visit, DOWN, translated("As if down: links")),
        text_filter(visit, CHANGE, translated("After a change: LINK:FIGURE=NUMBER")),
    ]


def asked(visit: Visit) -> Mapping[str, str]:
    """The query of the question, for an address of another page with it."""
    return {name: visit.query.text(name) for name in QUERY}


def notes(question: Question, down: Sequence[str], unanswered: Sequence[UnansweredRegion]) -> Sequence[str]:
    """The sentences about links that are down, and about regions without an answer."""
    missing = [told_missing(), *map(unanswered_line, unanswered)] if unanswered else []
    return [each for each in (told_down(down, question.elements), *missing) if each]
