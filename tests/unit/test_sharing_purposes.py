"""The purposes of sharing and the data agreements: all of their errors are reported."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from gateway.api.federation.v1 import configuration_pb2 as contract
from gateway.api.federation.v1.configuration_pb2 import Configuration, LegalBasis, Purpose, Region
from gateway.api.types.v1.types_pb2 import LocalizedText
from gateway.errors import Refused, reason_name
from gateway.federation.catalogue import Federation
from gateway.federation.rules import Change, difference, problems
from gateway.federation.sharing_rules import CONSENT_PAPER
from tests.shipped import shipped_configuration

SHIPPED = shipped_configuration()
NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)
Break = Callable[[Configuration], object]


def purpose(**fields: object) -> Break:
    """Adds a purpose; fields replace those of a good one, None leaves one out."""
    usual: dict[str, object] = {
        "name": "new",
        "title": LocalizedText(zh_cn="新", en="New"),
        "fields": [contract.SHARED_FIELD_NAME],
        "legal_bases": [contract.LEGAL_BASIS_CONSENT],
        "without_grant": contract.WITHOUT_GRANT_REFUSED,
        "consent_methods": [contract.CONSENT_METHOD_VERIFIED],
        "longest_grant": timedelta(days=30),
        "source": "PIPL art. 23",
    }
    told = {name: value for name, value in {**usual, **fields}.items() if value is not None}
    return lambda c: c.purposes.append(Purpose(**told))  # type: ignore[arg-type]  # of the fields' types


def agreement(**fields: str) -> Break:
    """Changes the data agreement of the first region."""

    def change(configuration: Configuration) -> None:
        for name, value in fields.items():
            setattr(configuration.regions[0].data_agreement, name, value)

    return change


def without_consent_paper(configuration: Configuration) -> None:
    """Takes the material on which customers sign a consent out of the catalogue."""
    kept = [each for each in configuration.materials if each.code != CONSENT_PAPER]
    configuration.ClearField("materials")
    configuration.materials.extend(kept)


def changed(change: Break) -> Configuration:
    copy = Configuration()
    copy.CopyFrom(SHIPPED)
    change(copy)
    return copy


def test_a_good_purpose_has_no_problems() -> None:
    assert problems(changed(purpose())) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (purpose(name="counter-service"), "purposes[counter-service]: stands here twice"),
        (purpose(name="New"), "purposes[New].name: use lower-case letters"),
        (purpose(title=LocalizedText(en="New")), "purposes[new].title.zh_cn: the text is missing"),
        (purpose(fields=None), "purposes[new].fields: there is none"),
        (purpose(fields=[0]), "purposes[new].fields: is missing"),
        (purpose(fields=[99]), "purposes[new].fields: 99 is not known"),
        (purpose(fields=[1, 1]), "purposes[new].fields[SHARED_FIELD_NAME]: stands here twice"),
        (purpose(legal_bases=[1, 99]), "purposes[new].legal_bases: 99 is not known"),
        (purpose(without_grant=None), "purposes[new].without_grant: is missing"),
        (purpose(consent_methods=None), "purposes[new].consent_methods: there is none"),
        (purpose(consent_methods=[9]), "purposes[new].consent_methods: 9 is not known"),
        (
            without_consent_paper,
            "purposes[counter-service].consent_methods: a paper is a material SHARING_CONSENT",
        ),
        (purpose(longest_grant=None), "purposes[new].longest_grant"),
        (purpose(longest_grant=timedelta(days=400)), "purposes[new].longest_grant"),
        (purpose(source=" "), "purposes[new].source: is missing"),
        (agreement(reference=""), "regions[beijing].data_agreement.reference: is missing"),
        (agreement(first_date="2026-02-30"), "data_agreement.first_date: '2026-02-30' is not a day as YYYY-MM-DD"),
        (agreement(last_date="20301231"), "data_agreement.last_date: '20301231' is not a day as YYYY-MM-DD"),
        (agreement(last_date=""), "data_agreement.last_date: '' is not a day"),
        (agreement(last_date="2021-10-31"), "data_agreement.last_date: is before the first day"),
    ],
)
def test_each_thing_that_is_wrong_is_told_with_its_place(change: Break, problem: str) -> None:
    found = problems(changed(change))
    assert len(found) == 1
    assert problem in found[0]


def test_a_purpose_without_consent_says_nothing_of_consent() -> None:
    found = problems(changed(purpose(legal_bases=[contract.LEGAL_BASIS_LEGAL_DUTY])))
    assert found == [
        "purposes[new].consent_methods: consent is not among the legal bases; leave it out",
        "purposes[new].longest_grant: consent is not among the legal bases; leave it out",
    ]
    assert problems(changed(purpose(legal_bases=None))) == ["purposes[new].legal_bases: there is none", *found]


def test_the_order_of_fields_changes_nothing_and_a_field_more_is_told() -> None:
    def reverse(configuration: Configuration) -> None:
        fields = list(configuration.purposes[0].fields)
        configuration.purposes[0].fields[:] = fields[::-1]

    def add(configuration: Configuration) -> None:
        configuration.purposes[0].fields.append(contract.SHARED_FIELD_BALANCE)

    assert difference(SHIPPED, changed(reverse)) == []
    path = "purposes[counter-service].fields[SHARED_FIELD_BALANCE]"
    assert difference(SHIPPED, changed(add)) == [Change(path, None, "listed")]


def test_every_region_that_is_shipped_may_share_and_every_basis_has_a_purpose() -> None:
    assert problems(SHIPPED) == []
    assert all(region.HasField("data_agreement") for region in SHIPPED.regions)
    assert {basis for each in SHIPPED.purposes for basis in each.legal_bases} == set(LegalBasis.values()) - {0}


@pytest.mark.parametrize(
    ("time", "holds"),
    [
        (datetime(2026, 5, 31, 15, 59, tzinfo=UTC), False),
        (datetime(2026, 5, 31, 16, 0, tzinfo=UTC), True),
        (datetime(2026, 6, 30, 15, 59, tzinfo=UTC), True),
        (datetime(2026, 6, 30, 16, 0, tzinfo=UTC), False),
    ],
)
def test_an_agreement_holds_on_its_days_by_the_regions_own_calendar(time: datetime, holds: bool) -> None:
    federation = Federation(7, changed(agreement(first_date="2026-06-01", last_date="2026-06-30")))
    assert federation.shares_records("beijing", time) is holds


def test_a_region_without_an_agreement_or_that_there_is_not_shares_nothing() -> None:
    def drop(configuration: Configuration) -> None:
        region: Region = configuration.regions[0]
        region.ClearField("data_agreement")

    federation = Federation(7, changed(drop))
    assert problems(federation.configuration) == []
    assert not federation.shares_records("beijing", NOW)
    assert not federation.shares_records("atlantis", NOW)
    assert federation.shares_records("sichuan", NOW)


def test_a_purpose_is_found_by_its_name() -> None:
    federation = Federation(7, SHIPPED)
    assert federation.purpose("installation").name == "installation"
    assert federation.purposes[0].name == "counter-service"
    with pytest.raises(Refused) as raised:
        federation.purpose("curiosity")
    assert (reason_name(raised.value.reason), raised.value.parameters) == ("PURPOSE_UNKNOWN", {"purpose": "curiosity"})
