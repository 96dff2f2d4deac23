"""`region-node surveys`: invitations, answers, campaigns, follow-ups and results."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from gateway.api.region.v1 import survey_service_pb2 as api
from gateway.api.region.v1.survey_pb2 import Survey, SurveyAnswer, SurveyMark, SurveyOccasion, SurveyQuestion
from gateway.api.region.v1.survey_service_pb2_grpc import SurveyServiceStub
from gateway.cli.asking import limit_option
from gateway.cli.option_words import option_words
from gateway.cli.table import Table, TableColumn
from gateway.cli.written_files import write_out
from gateway.time.clock import from_timestamp
from gateway.wording.languages import current_language, enumerated, translated
from gateway.wording.terms import region_name
from gateway.wording.times import told_time
from gateway.wording.words import value_word
from region_node.cli.asking import Asking, reads, repeats
from region_node.cli.options import channel_option, recorded_staff_option, required_staff_option, staff_option
from region_node.cli.surveys import survey_view
from region_node.cli.surveys.results_page import page

_MARKS = option_words(SurveyMark.items())
_QUESTIONS = option_words(SurveyQuestion.items())
_mark = click.Choice(list(_MARKS))
_GROUPS = Table[survey_view.Group](
    TableColumn("by", lambda each: each.dimension),
    TableColumn("group", lambda each: each.name),
    TableColumn("invited", lambda each: each.invited),
    TableColumn("answered", lambda each: each.answered),
    TableColumn("response rate", lambda each: each.response_rate),
    TableColumn("attitude", lambda each: each.scores[0]),
    TableColumn("handling", lambda each: each.scores[1]),
    TableColumn("complaints", lambda each: each.scores[2]),
    TableColumn("recommend score", lambda each: each.recommend_score),
)


@click.group()
def surveys() -> None:
    """Ask customers how satisfied they are, follow up low marks, and publish the results."""


@surveys.command()
@repeats(recorded_staff_option, channel_option, with_json=False)
@click.argument("record_id", metavar="ID")
def invite(asking: Asking, record_id: str) -> None:
    """Request an invitation after the finished order, complaint or fault ID of this region.

    The home region of the customer decides. It invites nobody who refuses, or was asked within a month.

    \b
    Examples:
      region-node surveys invite guangdong/counter/R-17
    """
    request = api.InviteToSurveyRequest(record_id=record_id)
    asking.ask(lambda channel: SurveyServiceStub(channel).InviteToSurvey, request)


@surveys.command()
@repeats(required_staff_option, channel_option, with_json=False)
@click.argument("token")
@click.option("--attitude", type=_mark, help="The mark for the attitude of the staff.")
@click.option("--handling", type=_mark, help="The mark for the handling of the business.")
@click.option("--complaints", type=_mark, help="The mark for the handling of complaints.")
@click.option(
    "--words",
    type=(click.Choice(list(_QUESTIONS)), str),
    multiple=True,
    help="What the customer says to a question: its name, then the words.",
)
@click.option("--recommend", type=click.IntRange(0, 10), help="How likely the customer recommends the operator.")
@click.option("--text", default="", help="The opinion of the customer.")
@click.option("--number", default="", help="The number of the customer; needed where another region is the home.")
def answer(
    asking: Asking,
    token: str,
    attitude: str | None,
    handling: str | None,
    complaints: str | None,
    words: Sequence[tuple[str, str]],
    recommend: int | None,
    text: str,
    number: str,
) -> None:
    """Store the answer of a customer to the invitation with TOKEN, of this region or of another one.

    \b
    Examples:
      region-node surveys answer 5D41402ABC4B --attitude satisfied --handling neutral --recommend 8 --staff-id 4711
      region-node surveys answer 5D41402ABC4B --number +8619851000001 --handling satisfied --staff-id 4711
    """
    given = SurveyAnswer(recommendation=recommend, text=text)
    said = dict(words)
    if len(said) < len(words):
        twice = sorted({name for number, (name, _) in enumerate(words) if name in dict(words[:number])})
        raise click.UsageError(translated("words twice: {questions}", questions=enumerated(twice)))
    marks = {"attitude": attitude, "handling": handling, "complaints": complaints}
    for name, mark in marks.items():
        if mark is not None:
            given.ratings.add(question=_QUESTIONS[name], mark=_MARKS[mark], words=said.pop(name, ""))
    if said:
        raise click.UsageError(translated("words without a mark: {questions}", questions=enumerated(said)))
    request = api.AnswerSurveyRequest(token=token, answer=given, number=number)
    asking.ask(lambda channel: SurveyServiceStub(channel).AnswerSurvey, request)


@surveys.command()
@repeats(recorded_staff_option, with_json=False)
@click.argument("name")
@click.option("--percent", type=click.IntRange(1, 100), required=True, help="The share of customers that is invited.")
def campaign(asking: Asking, name: str, percent: int) -> None:
    """Invite a share of this region's customers; NAME invites each of them once.

    \b
    Examples:
      region-node surveys campaign spring-2027 --percent 2
    """
    request = api.StartSurveyCampaignRequest(name=name, percent=percent)
    asking.ask(lambda channel: SurveyServiceStub(channel).StartSurveyCampaign, request)
    click.echo(
        translated(
            "{name} invites {percent} % of the customers from now on; `region-node surveys results` counts the invited",
            name=name,
            percent=percent,
        )
    )


@surveys.command("follow-ups")
@reads(limit_option(), staff_option)
def follow_ups(asking: Asking) -> None:
    """List answers with low marks that wait for a follow-up, by due time.

    \b
    Examples:
      region-node surveys follow-ups
    """
    found = asking.ask(lambda channel: SurveyServiceStub(channel).ListSurveyFollowUps, api.ListSurveyFollowUpsRequest())
    asking.show(found, _FOLLOW_UPS, found.surveys)


@surveys.command()
@repeats(recorded_staff_option)
@click.argument("survey_id", metavar="SURVEY")
@click.argument("outcome")
def finish(asking: Asking, survey_id: str, outcome: str) -> None:
    """End the follow-up of SURVEY with its OUTCOME.

    \b
    Examples:
      region-node surveys finish guangdong/counter/R-17 "called back, the wait is explained"
    """
    request = api.FinishSurveyFollowUpRequest(survey_id=survey_id, outcome=outcome)
    found = asking.ask(lambda channel: SurveyServiceStub(channel).FinishSurveyFollowUp, request)
    asking.tell(found.survey, _FOLLOW_UPS.show_one)


@surveys.command("results")
@reads(staff_option)
@click.option("--from", "first", metavar="YYYY-MM", required=True, help="The first month of invitations.")
@click.option("--to", "last", metavar="YYYY-MM", required=True, help="The last month.")
def results_command(asking: Asking, first: str, last: str) -> None:
    """Show response rates and marks by region, business and channel.

    Groups with few answers are left out.

    \b
    Examples:
      region-node surveys results --from 2027-01 --to 2027-03
    """
    found = _results(asking, first, last)
    asking.show(found, _GROUPS, survey_view.groups(found))


@surveys.command()
@reads(staff_option, done="written")
@click.option("--from", "first", metavar="YYYY-MM", required=True, help="The first month of invitations.")
@click.option("--to", "last", metavar="YYYY-MM", required=True, help="The last month.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The file of the page.")
def publish(asking: Asking, first: str, last: str, out: Path) -> None:
    """Write the results as a page that names nobody: one file that needs no network.

    \b
    Examples:
      region-node surveys publish --from 2027-01 --to 2027-03 --out satisfaction.html --lang zh
    """
    found = _results(asking, first, last)
    written = page(found, (first, last), datetime.now(UTC), current_language())
    write_out(out, written)
    asking.say(found, lambda: translated("{path} was written", path=out))


def _results(asking: Asking, first: str, last: str) -> api.GetSurveyResultsResponse:
    request = api.GetSurveyResultsRequest(first_month=first, last_month=last)
    return asking.ask(lambda channel: SurveyServiceStub(channel).GetSurveyResults, request)


def _state(survey: Survey) -> str:
    if survey.follow_up.finisher:
        return translated("finished")
    return translated("overdue") if survey.follow_up.overdue else translated("open")


_FOLLOW_UPS = Table[Survey](
    TableColumn("survey id", lambda each: each.id),
    TableColumn("number", lambda each: each.number),
    TableColumn("occasion", lambda each: value_word(SurveyOccasion.DESCRIPTOR, each.occasion)),
    TableColumn("region", lambda each: region_name(each.region)),
    TableColumn("marks", lambda each: survey_view.told_ratings(each.answer)),
    TableColumn("owner", lambda each: each.follow_up.owner),
    TableColumn("due", lambda each: told_time(from_timestamp(each.follow_up.due_time))),
    TableColumn("state", _state),
    TableColumn("text", lambda each: each.answer.text, only_wide=True),
)
