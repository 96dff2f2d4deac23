"""Defects of coordinators that share a registry."""

import math

import pytest

from coordinator.registry.etcd.registry import EtcdRegistry


def lease_of_a_coordinator_not_proven(patch: pytest.MonkeyPatch) -> None:
    """A coordinator forwards by what it last heard, however long ago the others may have given it up."""
    patch.setattr(EtcdRegistry, "lease_seconds", lambda _: math.inf)
