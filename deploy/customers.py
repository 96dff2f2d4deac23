"""Invented customers for trials: the same seed gives the same people."""

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from gateway.api.federation.v1.configuration_pb2 import Configuration, Plan
from gateway.api.region.v1.customer_service_pb2 import (
    BillingAccount,
    Customer,
    Product,
    ProductStatus,
    RatingType,
)
from gateway.api.types.v1.types_pb2 import Money
from gateway.time.clock import to_timestamp

MOBILE = "+86198"  # the made-up mobile prefixes of the sample number plan begin with this
NUMBER_LENGTH = len("+8613800138000")

# Shares of all customers, so that each rule of the catalogue meets some.
IN_ARREARS = 0.12
UNDER_CONTRACT = 0.25
SUSPENDED = 0.04
BOUND = 0.05
NEW_SIM = 0.02
PAST_CONTRACT = 0.10
SUBSCRIBED = 0.20
PREPAID = 0.30

_SURNAMES = """
    王 wang 李 li 张 zhang 刘 liu 陈 chen 杨 yang 赵 zhao 黄 huang 周 zhou 吴 wu 徐 xu 孙 sun 胡 hu 朱 zhu 高 gao
    林 lin 何 he 郭 guo 马 ma 罗 luo 梁 liang 宋 song 郑 zheng 谢 xie 韩 han 唐 tang 冯 feng 于 yu 董 dong 萧 xiao
"""
_GIVEN = """
    伟 wei 芳 fang 娜 na 敏 min 静 jing 丽 li 强 qiang 磊 lei 军 jun 洋 yang 勇 yong 艳 yan 杰 jie 娟 juan 涛 tao
    明 ming 超 chao 秀 xiu 霞 xia 平 ping 刚 gang 桂 gui 英 ying 华 hua 玉 yu 兰 lan 红 hong 建 jian 文 wen 志 zhi
    海 hai 晓 xiao 春 chun 梅 mei 雪 xue 佳 jia 宁 ning 欣 xin 宇 yu 浩 hao 子 zi 涵 han 思 si 雨 yu 诗 shi 嘉 jia
"""


def generate(configuration: Configuration, region: str, count: int, seed: int, as_of: datetime) -> list[Customer]:
    """Customers of a region, with its own numbers by the number plan and its own plans.

    Dates are relative to `as_of`, balances in minor units of the region's currency. Raises ValueError for a region
    without a made-up mobile prefix or without plans, and for more customers than numbers.
    """
    source = random.Random(f"{seed}/{region}")
    plans = [plan for plan in configuration.plans if plan.region == region]
    if not plans:
        raise ValueError(f"{region} has no plans")
    numbers = _numbers(configuration, region, count, source)
    return [_Person(source, region, order, as_of).customer(number, plans) for order, number in enumerate(numbers, 1)]


def _numbers(configuration: Configuration, region: str, count: int, source: random.Random) -> Iterator[str]:
    """Different numbers of a region, none of them an exception of the number plan."""
    prefix = next(
        (
            prefix
            for owned in configuration.number_plan.prefixes
            if owned.region == region
            for prefix in owned.prefixes
            if prefix.startswith(MOBILE)
        ),
        None,
    )
    if prefix is None:
        raise ValueError(f"{region} has no prefix that begins with {MOBILE}")
    digits = NUMBER_LENGTH - len(prefix)
    exceptions = {exception.number for exception in configuration.number_plan.exceptions}
    drawn = source.sample(range(10**digits), min(10**digits, count + len(exceptions)))
    free = [number for rest in drawn if (number := f"{prefix}{rest:0{digits}d}") not in exceptions]
    if len(free) < count:
        raise ValueError(f"{region} has fewer than {count} numbers")
    return iter(free[:count])


class _Person:
    """An invented customer, drawn field by field in a fixed order."""

    def __init__(self, source: random.Random, region: str, order: int, as_of: datetime) -> None:
        self._source = source
        self._region = region
        self._order = order
        self._as_of = as_of

    def customer(self, number: str, plans: Sequence[Plan]) -> Customer:
        name, mail = self._name()
        plan = self._source.choice(plans)
        tag = f"{self._region}-{self._order:06d}"
        return Customer(
            id=f"customer-{tag}",
            name=name,
            email=f"{mail}.{self._order}@example.com",
            product=self._product(f"line-{tag}", number, plan),
            billing_account=BillingAccount(
                id=f"account-{tag}",
                balance=Money(minor_units=self._balance(), currency=plan.monthly_rent.currency),
            ),
        )

    def _name(self) -> tuple[str, str]:
        """The name in characters, and in letters for the mail address."""
        surname, surname_letters = self._pick(_SURNAMES)
        given = [self._pick(_GIVEN) for _ in range(self._source.choice((1, 2, 2)))]
        characters, letters = "".join(each for each, _ in given), "".join(each for _, each in given)
        return surname + characters, f"{letters}.{surname_letters}"

    def _product(self, product_id: str, number: str, plan: Plan) -> Product:
        product = Product(
            id=product_id,
            number=number,
            status=ProductStatus.PRODUCT_STATUS_ACTIVE,
            plan_id=plan.id,
            start_time=to_timestamp(self._days_ago(90, 3650)),
            emergency_calls_allowed=True,
        )
        contract = self._source.random()
        if contract < UNDER_CONTRACT:
            product.contract_end_time.CopyFrom(to_timestamp(self._days_ago(-720, -2)))
        elif contract < UNDER_CONTRACT + PAST_CONTRACT:
            product.contract_end_time.CopyFrom(to_timestamp(self._days_ago(1, 80)))
        if self._chance(SUSPENDED):
            product.status = ProductStatus.PRODUCT_STATUS_SUSPENDED
            product.suspension_reason = self._source.choice(("出国", "号码闲置", "手机丢失"))
            if self._chance(0.5):
                product.suspension_end_time.CopyFrom(to_timestamp(self._days_ago(-180, -2)))
        if self._chance(BOUND):
            product.binding = f"family-{self._source.randrange(10**4):04d}"
        if self._chance(PREPAID):
            product.rating_type = RatingType.RATING_TYPE_PREPAID
        if self._chance(SUBSCRIBED):
            offering = f"{self._region}-ring-tones"
            product.subscriptions.add(id=f"{product_id}/1", offering_id=offering, start_time=product.start_time)
        if self._chance(NEW_SIM):
            product.sim_replace_time.CopyFrom(
                to_timestamp(self._as_of - timedelta(hours=self._source.randrange(1, 48)))
            )
        return product

    def _balance(self) -> int:
        if self._chance(IN_ARREARS):
            return -self._source.randrange(100, 15_000)
        return self._source.randrange(1_000, 30_000)

    def _pick(self, names: str) -> tuple[str, str]:
        """A name of a list: in characters and in letters."""
        words = names.split()
        index = 2 * self._source.randrange(len(words) // 2)
        return words[index], words[index + 1]

    def _chance(self, share: float) -> bool:
        return self._source.random() < share

    def _days_ago(self, least: int, most: int) -> datetime:
        return self._as_of - timedelta(days=self._source.randrange(least, most))
