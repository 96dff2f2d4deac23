"""The experts and spares of this region: kept by its staff, found by all regions'."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.api.region.v1.support_envelopes_pb2 import SupportSearch
from gateway.api.region.v1.support_resource_service_pb2 import (
    Expert,
    ListExpertsResponse,
    ListSparesResponse,
    Spare,
)
from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused, invalid
from gateway.rpc.pages import decode_token, first_page, page_after, page_size
from gateway.store.port import Transaction
from gateway.time.clock import to_microseconds
from region_node.node.context import RegionContext
from region_node.requests.checks import require_length, require_name

_EXPERTS_PAGE, _SPARES_PAGE = "experts", "spares"
MOST_SKILLS = 20
MOST_SITES = 100
MODEL_LIMIT = 100  # characters
HIGHEST_COUNT = 1_000_000
_MODEL = re.compile(r"[A-Za-z0-9 ./()+_-]{1,100}", re.ASCII)
_SKILL = re.compile(r"[a-z0-9-]{1,64}", re.ASCII)


@dataclass(frozen=True)
class _Pair:
    staff_id: str
    value: str


@dataclass(frozen=True)
class _Spare:
    part_number: str
    site: str
    model: str
    count: int


def require_expert(context: RegionContext, expert: Expert) -> None:
    """Raises Refused unless an expert may be entered so, also with SITE_UNKNOWN."""
    require_name("expert.staff_id", expert.staff_id)
    if not 1 <= len(expert.skills) <= MOST_SKILLS:
        raise invalid("expert.skills", f"not 1 to {MOST_SKILLS}", f"须为1至{MOST_SKILLS}项")
    if len(expert.sites) > MOST_SITES:
        raise invalid("expert.sites", f"more than {MOST_SITES}", f"超过{MOST_SITES}个")
    for skill in expert.skills:
        require_skill("expert.skills", skill)
    for site in expert.sites:
        context.federation.network.site(site)


def require_skill(field: str, skill: str) -> None:
    """Raises Refused unless a skill is a code of 1 to 64 lower-case letters, digits and dashes."""
    if not _SKILL.fullmatch(skill):
        raise invalid(field, "1 to 64 characters of a-z 0-9 -", "须为1至64个字符，限a-z、0-9、-")


def require_model(field: str, value: str) -> None:
    """Raises Refused unless a name of a thing has 1 to 100 characters in which nobody is named."""
    if not _MODEL.fullmatch(value):
        raise invalid(
            field,
            "1 to 100 characters of A-Z a-z 0-9 . / ( ) + _ - and spaces",
            "须为1至100个字符，限A-Z、a-z、0-9、.、/、(、)、+、_、-和空格",
        )


def require_spare(context: RegionContext, spare: Spare) -> None:
    """Raises Refused unless a spare may be entered so, also with SITE_UNKNOWN."""
    require_name("spare.part_number", spare.part_number)
    require_model("spare.model", spare.model)
    if spare.count > HIGHEST_COUNT:
        raise invalid("spare.count", f"more than {HIGHEST_COUNT}", f"超过{HIGHEST_COUNT}")
    if context.federation.network.site(spare.site).region != context.region:
        raise invalid("spare.site", "of another region", "属于其他地区")


def keep_expert(tx: Transaction, expert: Expert, now: datetime) -> None:
    """Enters an expert, or enters them anew."""
    _forget_expert(tx, expert.staff_id)
    tx.execute(
        "INSERT INTO experts (staff_id, time) VALUES (:staff_id, :time)",
        staff_id=expert.staff_id,
        time=to_microseconds(now),
    )
    for skill in sorted(set(expert.skills)):
        tx.execute(
            "INSERT INTO expert_skills (staff_id, skill) VALUES (:staff_id, :skill)",
            staff_id=expert.staff_id,
            skill=skill,
        )
    for site in sorted(set(expert.sites)):
        tx.execute(
            "INSERT INTO expert_sites (staff_id, site) VALUES (:staff_id, :site)", staff_id=expert.staff_id, site=site
        )


def remove_expert(tx: Transaction, staff_id: str) -> None:
    """Takes an expert off. Raises Refused with SUPPORT_ENTRY_NOT_FOUND."""
    if not _forget_expert(tx, staff_id):
        raise Refused(Reason.REASON_SUPPORT_ENTRY_NOT_FOUND, entry=staff_id)


def experts_page(tx: Transaction, context: RegionContext, asked: SupportSearch) -> ListExpertsResponse:
    """A page of the experts of this region, by staff id.

    For a site those who look after it, and of the site's own region those for all of the region. Raises Refused with
    REQUEST_INVALID, TOKEN_INVALID and SITE_UNKNOWN.
    """
    wanted, size, after = asked.experts, page_size(asked.page_size), decode_token(_EXPERTS_PAGE, asked.page_token)
    if wanted.skill:
        require_skill("search.skill", wanted.skill)
    serves_all = bool(wanted.site) and context.federation.network.site(wanted.site).region == context.region
    found = tx.all(
        str,
        "SELECT staff_id FROM experts WHERE staff_id > :after AND (:skill = '' OR staff_id IN"
        " (SELECT staff_id FROM expert_skills WHERE skill = :skill))"
        " AND (:site = '' OR staff_id IN (SELECT staff_id FROM expert_sites WHERE site = :site)"
        " OR (:serves_all = 1 AND staff_id NOT IN (SELECT staff_id FROM expert_sites)))"
        " ORDER BY staff_id LIMIT :limit",
        skill=wanted.skill,
        site=wanted.site,
        serves_all=int(serves_all),
        after=after,
        limit=size + 1,
    )
    page, token = first_page(_EXPERTS_PAGE, found, size, str)
    return ListExpertsResponse(experts=_experts(tx, context, page), next_page_token=token)


def _experts(tx: Transaction, context: RegionContext, found: Sequence[str]) -> Sequence[Expert]:
    if not found:
        return []
    skills = tx.all(_Pair, "SELECT staff_id, skill AS value FROM expert_skills ORDER BY staff_id, skill")
    sites = tx.all(_Pair, "SELECT staff_id, site AS value FROM expert_sites ORDER BY staff_id, site")
    experts = {each: Expert(region=context.region, staff_id=each) for each in found}
    for each in skills:
        if each.staff_id in experts:
            experts[each.staff_id].skills.append(each.value)
    for each in sites:
        if each.staff_id in experts:
            experts[each.staff_id].sites.append(each.value)
    return list(experts.values())


def keep_spare(tx: Transaction, spare: Spare) -> None:
    """Enters how many of a part are at a site."""
    tx.execute(
        "INSERT INTO spares (part_number, site, model, count) VALUES (:part_number, :site, :model, :count)"
        " ON CONFLICT (part_number, site) DO UPDATE SET model = excluded.model, count = excluded.count",
        part_number=spare.part_number,
        site=spare.site,
        model=spare.model,
        count=spare.count,
    )


def remove_spare(tx: Transaction, part_number: str, site: str) -> None:
    """Takes a part at a site off. Raises Refused with SUPPORT_ENTRY_NOT_FOUND."""
    removed = tx.execute(
        "DELETE FROM spares WHERE part_number = :part_number AND site = :site", part_number=part_number, site=site
    )
    if not removed:
        raise Refused(Reason.REASON_SUPPORT_ENTRY_NOT_FOUND, entry=f"{part_number} {site}")


def spares_page(tx: Transaction, context: RegionContext, asked: SupportSearch) -> ListSparesResponse:
    """A page of the spares of this region, by part number and site.

    Raises Refused with REQUEST_INVALID and TOKEN_INVALID.
    """
    wanted = asked.spares
    require_length("search.model", wanted.model, MODEL_LIMIT)
    require_length("search.part_number", wanted.part_number, MODEL_LIMIT)
    require_length("search.site", wanted.site, MODEL_LIMIT)
    found = tx.all(
        _Spare,
        "SELECT part_number, site, model, count FROM spares WHERE (:part_number = '' OR part_number = :part_number)"
        " AND (:site = '' OR site = :site) ORDER BY part_number, site",
        part_number=wanted.part_number,
        site=wanted.site,
    )
    words = wanted.model.casefold()
    spares = [
        Spare(region=context.region, part_number=each.part_number, model=each.model, site=each.site, count=each.count)
        for each in found
        if words in each.model.casefold()
    ]
    page, token = page_after(_SPARES_PAGE, spares, spare_key, asked.page_size, asked.page_token)
    return ListSparesResponse(spares=page, next_page_token=token)


def expert_key(expert: Expert) -> str:
    """Where an expert stands in the list of all regions."""
    return f"{expert.region} {expert.staff_id}"


def spare_key(spare: Spare) -> str:
    """Where a spare stands in lists."""
    return f"{spare.region} {spare.part_number} {spare.site}"


def _forget_expert(tx: Transaction, staff_id: str) -> int:
    tx.execute("DELETE FROM expert_skills WHERE staff_id = :staff_id", staff_id=staff_id)
    tx.execute("DELETE FROM expert_sites WHERE staff_id = :staff_id", staff_id=staff_id)
    return tx.execute("DELETE FROM experts WHERE staff_id = :staff_id", staff_id=staff_id)
