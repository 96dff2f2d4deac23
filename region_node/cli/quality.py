"""`region-node quality`: the scorecard of the region, and samples of its work that supervisors judge."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import click

from gateway.api.federation.v1.quality_pb2 import SampledKind
from gateway.api.region.v1 import quality_service_pb2 as api
from gateway.api.region.v1.quality_service_pb2 import Sample, SampledRecord
from gateway.api.region.v1.quality_service_pb2_grpc import QualityServiceStub
from gateway.cli import scorecard
from gateway.cli.asking import limit_option
from gateway.cli.option_words import option_words
from gateway.cli.table import Table, TableColumn
from gateway.cli.times import MonthType
from gateway.wording.languages import translated
from gateway.wording.times import told_if_set
from gateway.wording.words import word
from region_node.cli.asking import Asking, reads, repeats, writes

_KINDS = option_words(SampledKind.items())


class _Drawn(NamedTuple):
    """A record with its sample."""

    sample: Sample
    record: SampledRecord


_SAMPLES = Table[Sample](
    TableColumn("sample", lambda each: each.id),
    TableColumn("month", lambda each: each.month),
    TableColumn("kind", lambda each: word(SampledKind.Name(each.kind), "SAMPLED_KIND_")),
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
    """See the quality of this region's service, and judge samples of its work."""


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
    asking.show(found, scorecard.FIGURES, scorecard.rows(found.definitions, [found.scorecard]))


@quality.group()
def samples() -> None:
    """Draw samples of handled orders and complaints, and judge them."""


@samples.command()
@writes()
@click.option("--month", metavar="YYYY-MM", type=MonthType(), required=True, help="The month of the records.")
@click.option("--kind", type=click.Choice(list(_KINDS)), required=True, help="What is sampled.")
@click.option("--size", type=click.IntRange(1, 500), default=0, help="How many; by policy unless given.")
@click.option("--seed", default="", help="The seed, to repeat a draw; the request id unless given.")
def draw(asking: Asking, month: str, kind: str, size: int, seed: str) -> None:
    """Draw a random sample of the orders completed, or the complaints filed and resolved, in a month.

    Each business or category has its share. The same seed draws the same sample from the same records.

    \b
    Example:
      region-node quality samples draw --month 2026-10 --kind orders
    """
    request = api.DrawSampleRequest(month=month, kind=_KINDS[kind], size=size, seed=seed)
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
    return ", ".join(record.failed_criteria) or translated("passed")
