"""Contact preferences that are changed in another region: a refusal needs no proof, and permits nothing more."""

from google.protobuf.field_mask_pb2 import FieldMask
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.region.v1.customer_service_pb2 import ContactPreferences, SetContactPreferencesRequest
from region_node.customers.contacts import merged, only_refuses
from region_node.customers.notices.rules import Purpose, is_permitted

NAMES = ("marketing", "no_surveys", "quiet")
PREFERENCES = st.builds(ContactPreferences, marketing=st.booleans(), quiet=st.booleans(), no_surveys=st.booleans())
MASKS = st.lists(st.sampled_from(NAMES), min_size=1, unique=True)


@given(before=PREFERENCES, wanted=PREFERENCES, mask=MASKS)
def test_a_change_without_a_proof_permits_no_notice_that_was_not_permitted_and_leaves_what_it_does_not_name(
    before: ContactPreferences, wanted: ContactPreferences, mask: list[str]
) -> None:
    asked = SetContactPreferencesRequest(preferences=wanted, update_mask=FieldMask(paths=mask))
    after = merged(before, asked)
    assert all(getattr(after, each) == getattr(wanted if each in mask else before, each) for each in NAMES)
    more = [each for each in Purpose if is_permitted(each, after) and not is_permitted(each, before)]
    assert not (only_refuses(asked) and more)


def test_a_refusal_of_everything_needs_no_proof_and_a_consent_to_anything_does() -> None:
    refusal = ContactPreferences(marketing=False, quiet=True, no_surveys=True)
    for name in NAMES:
        mask, consent = FieldMask(paths=[name]), ContactPreferences()
        consent.CopyFrom(refusal)
        setattr(consent, name, not getattr(refusal, name))
        assert only_refuses(SetContactPreferencesRequest(preferences=refusal, update_mask=mask))
        assert not only_refuses(SetContactPreferencesRequest(preferences=consent, update_mask=mask))
