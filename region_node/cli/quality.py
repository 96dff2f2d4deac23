"""`region-node quality`: the scorecard of the region, and samples of its work that supervisors judge."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import click

from gateway.api.federation.v1.quality_pb2 import SampledKind, ScorecardDefinition, ScorecardFigure
from gateway.api.region.v1 import quality_service_pb2 as api
from gateway.api.region.v1.improvement_service_pb2 import (
    AddImprovementActionRequest,
    GetImprovementEffectRequest,
    GetImprovementEffectResponse,
    ImprovementEffect,
)
from gateway.api.region.v1.improvement_service_pb2_grpc import ImprovementServiceStub
from gateway.api.region.v1.quality_service_pb2 import MeasuredFigure, Sample, SampledRecord
from gateway.api.region.v1.quality_service_pb2_grpc import QualityServiceStub
from gateway.cli import scorecard
from gateway.cli.asking import limit_option
from gateway.cli.option_words import option_words
from gateway.cli.table import Table, TableColumn
from gateway.cli.times import MonthType
from gateway.wording.languages import enumerated, translated
from gateway.wording.scorecards import told_interval, told_value
from gateway.wording.times import told_if_set
from gateway.wording.words import value_word
from region_node.cli.asking import Asking, reads, repeats, writes

_KINDS = option_words(SampledKind.items())
_FIGURES = option_words(ScorecardFigure.items())


class _OfMonth(NamedTuple):
    """A figure in one month."""

    month: str
    definition: ScorecardDefinition
    figure: MeasuredFigure


class _Drawn(NamedTuple):
    """A record with its sample."""

    sample: Sample
    record: SampledRecord


_MONTHS = Table[_OfMonth](
    TableColumn("month", lambda each: each.month),
    TableColumn("value", lambda each: told_value(each.definition, each.figure)),
    TableColumn("interval of 95 %", lambda each: told_interval(each.definition, each.figure)),
    TableColumn("cases", lambda each: f"{each.figure.denominator:,}"),
)
_SAMPLES = Table[Sample](
    TableColumn("sample", lambda each: each.id),
    TableColumn("month", lambda each: each.month),
    TableColumn("kind", lambda each: value_word(SampledKind.DESCRIPTOR, each.kind)),
    TableColumn("records", lambda each: str(len(each.records))),
    TableColumn("of", lambda each: f"{each.population:,}"),
    TableColumn("judged", lambda each: str(sum(bool(record.judge) for record in each.records))),
    TableColumn("seed", lambda each: each.seed),
    TableColumn("drawn by", lambda each: each.staff_id),
    TableColumn("time", lambda each: told_if_set(each.create_time)),
)
_RECORDS = Table[_Drawn](
    TableColumn("record", lambda each: each.record.id),
    TableColumn("stratum", lambda each: each.record.stratum),
    TableColumn("judgement", lambda each: _judgement(each.record)),
    TableColumn("judge", lambda each: each.record.judge),
    TableColumn("time", lambda each: told_if_set(each.record.judge_time)),
    TableColumn("sample", lambda each: each.sample.id, only_wide=True),
)


@click.group()
def quality() -> None:
    """See the quality of this region's service, judge samples of its work, and improve it."""


@quality.command()
@reads()
@click.option("--month", metavar="YYYY-MM", type=MonthType(), required=True, help="The month in the region.")
def show(asking: Asking, month: str) -> None:
    """Show the scorecard of this region for a month.

    \b
    Example:
      region-node quality show --month 2026-10
    """
    request = api.GetScorecardRequest(month=month)
    found = asking.ask(lambda channel: QualityServiceStub(channel).GetScorecard, request)
    asking.show(found, scorecard.FIGURES, scorecard.rows(found.definitions, found.scorecard))


@quality.command()
@writes()
@click.argument("figure", type=click.Choice(list(_FIGURES)))
@click.argument("text")
@click.option("--owner", required=True, help="Who sees to it: a staff id or the code of a department.")
@click.option("--due", required=True, help="By which day, as YYYY-MM-DD.")
def improve(asking: Asking, figure: str, text: str, owner: str, due: str) -> None:
    """Record what is to be done for FIGURE of the scorecard; TEXT names no customer.

    `region-node complaints actions` lists and closes it.

    \b
    Example:
      region-node quality improve orders-in-time "a second shift on Mondays" --owner OPERATIONS --due 2026-12-31
    """
    request = AddImprovementActionRequest(figure=_FIGURES[figure], text=text, owner=owner, due_date=due)
    answer = asking.ask(lambda channel: ImprovementServiceStub(channel).AddImprovementAction, request)
    asking.say(answer.action, lambda: translated("{action} is recorded", action=answer.action.id))


@quality.command()
@reads()
@click.argument("action_id", metavar="ACTION")
def effect(asking: Asking, action_id: str) -> None:
    """Show the figure of ACTION in the last month before it, and in the first month after its end.

    Only intervals that are apart show an effect.

    \b
    Example:
      region-node quality effect sichuan/action-3
    """
    request = GetImprovementEffectRequest(action_id=action_id)
    found = asking.ask(lambda channel: ImprovementServiceStub(channel).GetImprovementEffect, request)
    asking.tell(found, _show_effect)


def _show_effect(found: GetImprovementEffectResponse) -> None:
    months = [(found.month_before, found.before)]
    if found.month_after:
        months.append((found.month_after, found.after))
    _MONTHS.show([_OfMonth(month, found.definition, figure) for month, figure in months])
    click.echo(_told_effect(found.effect))


def _told_effect(effect: ImprovementEffect.ValueType) -> str:
    told = {
        ImprovementEffect.IMPROVEMENT_EFFECT_TOO_FEW: translated("too few cases to compare"),
        ImprovementEffect.IMPROVEMENT_EFFECT_BETTER: translated("better"),
        ImprovementEffect.IMPROVEMENT_EFFECT_WORSE: translated("worse"),
        ImprovementEffect.IMPROVEMENT_EFFECT_NOT_SHOWN: translated("no effect is shown: the intervals overlap"),
        ImprovementEffect.IMPROVEMENT_EFFECT_WITHOUT_INTERVAL: translated("the figure has no interval: compare both"),
    }
    return told.get(effect, translated("the month after the end is not over yet"))


@quality.group()
def samples() -> None:
    """Draw samples of handled orders and complaints, and judge them."""


@samples.command()
@writes()
@click.option("--month", metavar="YYYY-MM", type=MonthType(), required=True, help="The month of the records.")
@click.option("--kind", type=click.Choice(list(_KINDS)), required=True, help="What is sampled.")
@click.option("--size", type=click.IntRange(1, 500), help="How many; by policy unless given.")
@click.option("--seed", default="", help="The seed, to repeat a draw; the request id unless given.")
def draw(asking: Asking, month: str, kind: str, size: int | None, seed: str) -> None:
    """Draw a random sample of the orders completed, or the complaints filed and resolved, in a month.

    Each business or category has its share. The same seed draws the same sample from the same records.

    \b
    Example:
      region-node quality samples draw --month 2026-10 --kind orders
    """
    request = api.DrawSampleRequest(month=month, kind=_KINDS[kind], size=size or 0, seed=seed)
    found = asking.ask(lambda channel: QualityServiceStub(channel).DrawSample, request)
    asking.show(found.sample, _RECORDS, _records([found.sample]), found.sample.id)


@samples.command("list")
@reads(limit_option())
def list_command(asking: Asking) -> None:
    """List samples, the newest first.

    \b
    Example:
      region-node quality samples list
    """
    found = asking.ask(lambda channel: QualityServiceStub(channel).ListSamples, api.ListSamplesRequest())
    asking.show(found, _SAMPLES, found.samples)


@samples.command("show")
@reads()
@click.argument("sample_id", metavar="SAMPLE")
def show_sample(asking: Asking, sample_id: str) -> None:
    """Show the records of SAMPLE, with their judgements.

    \b
    Example:
      region-node quality samples show sichuan/staff/wang/R-1
    """
    request = api.ListSamplesRequest(sample_id=sample_id)
    found = asking.ask(lambda channel: QualityServiceStub(channel).ListSamples, request)
    asking.show(found, _RECORDS, _records(found.samples))


@samples.command()
@repeats()
@click.argument("sample_id", metavar="SAMPLE")
@click.argument("record_id", metavar="RECORD")
@click.option("--failed", multiple=True, help="The code of a criterion that the record does not meet.")
def judge(asking: Asking, sample_id: str, record_id: str, failed: tuple[str, ...]) -> None:
    """Judge RECORD of SAMPLE; without --failed it meets every criterion. Nobody judges their own work.

    \b
    Examples:
      region-node quality samples judge sichuan/staff/wang/R-1 sichuan/counter/R-17
      region-node quality samples judge sichuan/staff/wang/R-1 sichuan/12 --failed CAUSE_FOUND
    """
    request = api.JudgeSampledRecordRequest(sample_id=sample_id, record_id=record_id, failed_criteria=failed)
    found = asking.ask(lambda channel: QualityServiceStub(channel).JudgeSampledRecord, request)
    asking.show(found.sample, _RECORDS, _records([found.sample]))


def _records(found: Sequence[Sample]) -> Iterator[_Drawn]:
    return (_Drawn(sample, record) for sample in found for record in sample.records)


def _judgement(record: SampledRecord) -> str:
    if not record.judge:
        return translated("open")
    return enumerated(record.failed_criteria) or translated("passed")
