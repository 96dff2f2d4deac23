"""The configuration in force in a process."""

import pytest

from gateway.api.types.v1.reason_pb2 import Reason
from gateway.errors import Refused
from gateway.federation.catalogue import Federation
from gateway.federation.current import CurrentFederation
from tests.shipped import shipped_configuration


def test_each_state_replaces_the_configuration_for_those_who_have_read_one_before() -> None:
    current, configuration = CurrentFederation(), shipped_configuration()
    for _ in range(2):
        with pytest.raises(Refused) as refused:
            _ = current.federation
        assert refused.value.reason == Reason.REASON_CONFIGURATION_MISSING
    for revision in (1, 2):
        current.update(Federation(revision, configuration), [])
        assert current.federation.revision == current.revision == revision
    current.update(Federation(1, configuration), [])
    assert current.federation is current.state().federation, "an older revision changes nothing"
