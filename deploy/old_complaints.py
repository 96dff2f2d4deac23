"""A made-up file of complaints as another system may have kept them, for trying the import out.

    python -m deploy.old_complaints --region sichuan --count 500 > old.csv

The same seed gives the same complaints. `deploy/import/old-complaints.yaml` is the map for it.
"""

import csv
import random
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from deploy.customers import generate
from gateway.federation.files import load

COLUMNS = (
    "工单编号",
    "投诉号码",
    "联系号码",
    "投诉类型",
    "来源",
    "投诉内容",
    "客户诉求",
    "发生地",
    "受理时间",
    "首次答复时间",
    "处理完成时间",
    "办结时间",
    "责任原因",
    "处理结果",
    "满意度",
    "区域",
    "办结方式",
)
ENDED, RESOLVED, ANSWERED = 0.8, 0.05, 0.05  # shares of all; the rest has no answer yet
RURAL, WITHDRAWN, REJECTED = 0.3, 0.04, 0.02  # shares of all, and of the ended ones
REPEATED = 0.1  # share of those with an earlier one about the same number
DAYS = 90  # before now, the days of filing

_WHAT = (
    ("费用争议", "本月账单多扣了两笔费用，请核查。", "退费", "计费差错"),
    ("账单异常", "账单金额突然翻倍，没有说明。", "解释", "计费差错"),
    ("退费延迟", "承诺的退费一直没有到账。", "退费", "系统故障"),
    ("服务态度", "营业员态度恶劣，不给办理。", "道歉", "人员失误"),
    ("合约纠纷", "办理时没有告知合约期。", "更正", "告知不清"),
    ("误停机", "没有欠费却被停机。", "更正", "系统故障"),
    ("信号覆盖", "小区里没有信号，电话打不出去。", "更正", "网络故障"),
    ("上网速度", "晚上网速很慢，视频卡顿。", "解释", "网络故障"),
)
_CHANNELS = ("营业厅", "热线", "热线", "热线", "APP", "网厅", "信函", "社交媒体")
_ZONE = ZoneInfo("Asia/Shanghai")
_FEDERATION = Path(__file__).parent / "federation"


def rows(region: str, count: int, seed: int, now: datetime) -> Iterator[tuple[str, ...]]:
    """The cells of `count` complaints about numbers of a region, oldest first; `now` is the time of the file.

    Raises ValueError as `generate`.
    """
    source = random.Random(f"{seed}/{region}")
    numbers = [each.product.number for each in generate(load(_FEDERATION), region, count, seed, now)]
    started = now.astimezone(_ZONE) - timedelta(days=DAYS)
    for order in range(count):
        filed = started + timedelta(days=DAYS) * (order + source.random()) / (count + 1)
        chosen = source.randrange(max(order, 1)) if source.random() < REPEATED else order
        story = _story(source, filed, now.astimezone(_ZONE))
        yield (f"GD{order + 1:08d}", numbers[chosen], "", *_ended(source, story))


def _story(source: random.Random, filed: datetime, now: datetime) -> tuple[str, ...]:
    kind, content, wish, cause = source.choice(_WHAT)
    answered = filed + timedelta(hours=source.expovariate(1 / 6))
    resolved = answered + timedelta(hours=source.expovariate(1 / 30))
    closed = resolved + timedelta(hours=source.uniform(1, 48))
    share = source.random()
    far = 3 if share < ENDED else 2 if share < ENDED + RESOLVED else 1 if share < ENDED + RESOLVED + ANSWERED else 0
    times = [each for each in (answered, resolved, closed)[:far] if each <= now]
    told = [f"{each:%Y-%m-%d %H:%M:%S}" for each in times]
    is_resolved, is_closed = len(times) > 1, len(times) > 2
    return (
        kind,
        source.choice(_CHANNELS),
        content,
        wish,
        "",
        f"{filed:%Y-%m-%d %H:%M:%S}",
        *told,
        *[""] * (3 - len(told)),
        cause if is_resolved else "",
        "已向客户说明并处理。" if is_resolved else "",
        str(source.choice((3, 4, 5))) if is_closed and share < ENDED / 2 else "",
    )


def _ended(source: random.Random, story: tuple[str, ...]) -> tuple[str, ...]:
    """The row with its area and its end: a withdrawn or rejected one has no answer."""
    area = "农村" if source.random() < RURAL else "城市"
    begun, closed = story[:7], story[8]
    share = source.random()
    if not closed:
        return (*story, area, "")
    if share >= WITHDRAWN + REJECTED:
        return (*story, area, "已解决")
    return (*begun, "", closed, "", "", "", area, "客户撤诉" if share < WITHDRAWN else "不予受理")


@click.command()
@click.option("--region", required=True, help="Whose numbers the complaints are about.")
@click.option("--count", type=click.IntRange(1), default=500, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(region: str, count: int, seed: int) -> None:
    """Writes the file to standard output."""
    writer = csv.writer(sys.stdout)
    writer.writerow(COLUMNS)
    writer.writerows(rows(region, count, seed, datetime.now(_ZONE)))


if __name__ == "__main__":
    main()
