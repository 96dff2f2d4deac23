"""Services that several outages of parts leave without a way only together."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.api.region.v1.agreement_pb2 import OutageCause
from gateway.federation.network_ways import Parts, is_down
from region_node.network.agreements.rules import Outage
from region_node.network.agreements.spans import Span
from region_node.network.agreements.together import PartsOut, down_together
from tests.unit.situations import FEDERATION

NETWORK = FEDERATION.network
LINES = NETWORK.service("lines-chengdu-zhengzhou")
DIRECT, DETOUR = "chengdu-zhengzhou-1", "zhengzhou-xian-1"  # its two ways
OPERATOR, PLANNED, FORCE_MAJEURE = (
    OutageCause.OUTAGE_CAUSE_OPERATOR,
    OutageCause.OUTAGE_CAUSE_PLANNED,
    OutageCause.OUTAGE_CAUSE_FORCE_MAJEURE,
)


def out(
    source: str,
    start: int,
    end: int,
    *links: str,
    sites: tuple[str, ...] = (),
    cause: OutageCause.ValueType = OPERATOR,
    announced: int | None = None,
) -> PartsOut:
    return PartsOut(source, Span(start, end), Parts(frozenset(sites), frozenset(links)), cause, announced)


def test_two_cuts_are_an_outage_only_while_both_are_there() -> None:
    cuts = [out("sichuan/fault/1", 0, 10, DIRECT), out("henan/fault/1", 4, 20, DETOUR)]
    assert down_together(NETWORK, LINES, cuts) == [Outage("henan/fault/1 + sichuan/fault/1", Span(4, 10), OPERATOR)]
    assert down_together(NETWORK, LINES, [cuts[0], out("henan/fault/1", 10, 20, DETOUR)]) == []
    assert down_together(NETWORK, LINES, cuts[:1]) == []


def test_a_site_on_the_way_round_is_as_good_as_its_links() -> None:
    cuts = [out("sichuan/fault/1", 0, 10, DIRECT), out("shaanxi/fault/1", 2, 8, sites=("xian",))]
    assert [each.span for each in down_together(NETWORK, LINES, cuts)] == [Span(2, 8)]


def test_what_is_down_by_one_alone_is_noted_by_itself() -> None:
    cuts = [out("sichuan/fault/1", 0, 10, DIRECT), out("sichuan/fault/2", 0, 10, sites=("chengdu",))]
    assert down_together(NETWORK, LINES, cuts) == []


def test_an_outage_elsewhere_is_not_named() -> None:
    cuts = [out("a", 0, 10, DIRECT), out("b", 0, 10, DETOUR), out("c", 3, 5, "chengdu-guangzhou-1")]
    assert [(each.source, each.span) for each in down_together(NETWORK, LINES, cuts)] == [("a + b", Span(0, 10))]


def test_where_only_several_causes_leave_no_way_it_is_the_operators() -> None:
    storm = out("a", 0, 10, DIRECT, cause=FORCE_MAJEURE)
    for other, cause in ((FORCE_MAJEURE, FORCE_MAJEURE), (OPERATOR, OPERATOR), (PLANNED, OPERATOR)):
        (found,) = down_together(NETWORK, LINES, [storm, out("b", 0, 10, DETOUR, cause=other, announced=None)])
        assert found.cause == cause


def test_what_is_out_besides_changes_neither_the_cause_nor_the_sources() -> None:
    storm = [out("a", 0, 10, DIRECT, cause=FORCE_MAJEURE), out("b", 0, 10, DETOUR, cause=FORCE_MAJEURE)]
    excused = Outage("a + b", Span(0, 10), FORCE_MAJEURE)
    for cause in (OPERATOR, PLANNED):
        besides = out("c", 2, 8, "xian-chengdu-1", cause=cause, announced=1)
        assert down_together(NETWORK, LINES, [*storm, besides]) == [excused]
    cuts = [out("c", 2, 8, "xian-chengdu-1"), out("d", 2, 8, DIRECT)]
    both = down_together(NETWORK, LINES, [*storm, *cuts])
    assert sorted(both, key=lambda each: each.source) == [excused, Outage("c + d", Span(2, 8), OPERATOR)]


def test_planned_together_it_was_announced_as_late_as_the_later_of_the_two() -> None:
    early = out("a", 100, 200, DIRECT, cause=PLANNED, announced=10)
    late = out("b", 150, 300, DETOUR, cause=PLANNED, announced=140)
    (found,) = down_together(NETWORK, LINES, [early, late])
    assert (found.span, found.announced) == (Span(150, 200), 140)
    emergency = out("b", 150, 300, DETOUR, cause=PLANNED)
    (found,) = down_together(NETWORK, LINES, [early, emergency])
    assert found.announced is None


LINKS = st.sampled_from([*LINES.links, "chengdu-guangzhou-1"])
SITES = st.sampled_from(["xian", "zhengzhou", "beijing"])
OUTAGES = st.builds(
    lambda number, start, lasts, links, sites: out(f"o{number}", start, start + lasts, *links, sites=tuple(sites)),
    st.integers(0, 3),
    st.integers(0, 20),
    st.integers(1, 10),
    st.sets(LINKS, max_size=2),
    st.sets(SITES, max_size=1),
)


@given(st.lists(OUTAGES, max_size=6))
def test_moment_by_moment_it_is_down_where_all_together_cut_it_and_none_alone(found: list[PartsOut]) -> None:
    outages = down_together(NETWORK, LINES, found)
    spans = [each.span for each in outages]
    assert len({(each.source, each.span.start) for each in outages}) == len(outages), "each once"
    for moment in range(32):
        there = [each.parts for each in found if each.span.start <= moment < each.span.end]
        together = Parts()
        for each in there:
            together |= each
        wanted = is_down(NETWORK, LINES, together) and not any(is_down(NETWORK, LINES, each) for each in there)
        assert any(each.start <= moment < each.end for each in spans) == wanted, moment
