"""A configuration in etcd: whole where it is small, its number plan apart and in parts where it is large."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordinator.registry.etcd import values
from coordinator.registry.etcd.fields import Unreadable
from coordinator.registry.etcd.packing import MAX_CONFIGURATION_BYTES, PART_BYTES, Packed, pack
from coordinator.registry.etcd.values import Applied
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.errors import Refused, text
from tests.contract.large_number_plan import with_segments
from tests.contract.small_federation import CONFIGURATION


@pytest.fixture(scope="module")
def large() -> Configuration:
    return with_segments()


@pytest.fixture(scope="module")
def packed(large: Configuration) -> Packed:
    return pack(large.SerializeToString(deterministic=True))


def test_half_a_million_prefixes_go_apart_in_parts_that_etcd_takes_and_come_back_the_same(
    large: Configuration, packed: Packed
) -> None:
    assert packed.plan is not None
    assert len(packed.parts) == packed.plan.parts > 1
    assert max(map(len, packed.parts)) <= PART_BYTES
    value = values.encode_packed(7, packed, "admin/root", 5)
    assert 2 * len(value) < MAX_CONFIGURATION_BYTES
    assert values.missing_plan(value) == packed.plan
    whole = values.whole(value, packed.parts)
    assert values.missing_plan(whole) is None
    assert values.revision_of(value) == values.revision_of(whole) == 7
    assert values.decode_applied(whole) == Applied(7, large, "admin/root", 5)


def test_the_bytes_of_a_configuration_come_back_as_they_were_signed(large: Configuration) -> None:
    """Also of a later version, whose fields this one does not know and a serialisation would put elsewhere."""
    content = large.SerializeToString(deterministic=True)
    plan = Configuration(number_plan=large.number_plan).SerializeToString(deterministic=True)
    for signed in (content, b"\xf8\x7f\x01" + content, content + b"\xf8\x7f\x01"):
        packed = pack(signed)
        value = values.whole(values.encode_packed(7, packed, "admin/root", 5), packed.parts)
        assert values.decode_applied(value).content == signed
    for unusual in (content + plan, content + b"\x1a\x80\x00", b"\x1a\xff" * 400_000):
        with pytest.raises(Refused, match="configuration"):
            pack(unusual)


def test_a_small_configuration_is_written_as_every_version_reads_it() -> None:
    packed = pack(CONFIGURATION.SerializeToString(deterministic=True))
    assert (packed.plan, packed.parts) == (None, ())
    value = values.encode_packed(7, packed, "admin/root", 5)
    assert value.startswith(b'{"version": 1,')
    assert values.missing_plan(value) is None


def test_a_version_that_does_not_know_of_plans_apart_does_not_take_one_for_none(packed: Packed) -> None:
    assert b'"version": 2' in values.encode_packed(7, packed, "", 5).partition(b"\n")[0]


def test_the_same_plan_has_the_same_name_whatever_else_changes(large: Configuration, packed: Packed) -> None:
    other = Configuration()
    other.CopyFrom(large)
    other.regions[0].name.en = "Another name"
    assert pack(other.SerializeToString(deterministic=True)).plan == packed.plan


def test_what_is_too_large_without_its_number_plan_is_refused() -> None:
    large = Configuration(federation="x" * MAX_CONFIGURATION_BYTES)
    with pytest.raises(Refused, match="without its number plan") as raised:
        pack(large.SerializeToString(deterministic=True))
    told = text(raised.value.reason, raised.value.parameters)
    assert ("除号码归属表外" in told.zh_cn, "bytes" in told.zh_cn) == (True, False)


@settings(max_examples=30)
@given(data=st.data())
def test_a_number_plan_that_is_not_whole_is_not_taken_for_one(packed: Packed, data: st.DataObject) -> None:
    value = values.encode_packed(7, packed, "admin/root", 5)
    parts = list(packed.parts)
    index = data.draw(st.integers(0, len(parts) - 1))
    match data.draw(st.sampled_from(["missing", "doubled", "damaged"])):
        case "missing":
            del parts[index]
        case "doubled":
            parts.insert(index, parts[index])
        case _:
            parts[index] = parts[index][:-1]
    with pytest.raises(Unreadable):
        values.decode_applied(values.whole(value, parts))


@pytest.mark.parametrize("parts", [b"", b"no zlib"])
def test_a_name_that_fits_parts_that_are_no_plan_is_unreadable(packed: Packed, parts: bytes) -> None:
    assert packed.plan is not None
    value = values.encode_packed(7, packed, "admin/root", 5).replace(
        packed.plan.digest.encode(), hashlib.sha256(parts).hexdigest().encode()
    )
    with pytest.raises(Unreadable):
        values.decode_applied(values.whole(value, [parts]))
