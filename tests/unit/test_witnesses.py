"""The regions that may witness the audit chain of another: by signatures, whatever a coordinator tells of them."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.api.federation.v1.configuration_pb2 import Configuration, Region
from gateway.api.federation.v1.federation_pb2 import Member, MemberState
from gateway.federation.witnesses import may_witness

CONFIGURATION = Configuration(regions=[Region(id=each) for each in ("henan", "guangdong", "sichuan", "hunan")])
JOINED = ("guangdong", "henan", "sichuan")
states = st.fixed_dictionaries({each: st.sampled_from(MemberState.values()) for each in JOINED})


def is_certified(region: str, pem: bytes) -> bool:
    return pem == region.encode()


@given(states)
def test_the_states_that_a_coordinator_tells_have_no_part_in_it(told: dict[str, "MemberState.ValueType"]) -> None:
    members = {
        region: Member(region=region, state=state, signing_certificate=region.encode())
        for region, state in told.items()
    }
    assert may_witness(CONFIGURATION, members, (), is_certified) == list(JOINED)
    assert may_witness(CONFIGURATION, members, {"henan"}, is_certified) == ["guangdong", "sichuan"]


def test_a_region_without_a_certificate_of_the_authority_or_outside_of_the_configuration_is_no_witness() -> None:
    pems = {"guangdong": b"guangdong", "henan": b"forged", "sichuan": b"", "invented": b"invented"}
    state = MemberState.MEMBER_STATE_JOINED
    members = {each: Member(region=each, state=state, signing_certificate=pem) for each, pem in pems.items()}
    assert may_witness(CONFIGURATION, members, (), is_certified) == ["guangdong"]
