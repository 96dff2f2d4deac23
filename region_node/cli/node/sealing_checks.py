"""Checks that other regions can send to this one: the node has the sealing key that a coordinator publishes."""

from datetime import datetime
from pathlib import Path

from gateway.api.federation.v1.federation_pb2 import Member
from gateway.errors import Refused
from gateway.maintenance.doctor.findings import Finding, bad, good, not_checked, warning
from gateway.security.region_keys import KeySet, RegionKeysUnusable
from gateway.security.sealing_keys import prover_of
from gateway.security.signing import TrustedKeys
from gateway.wording.languages import translated
from region_node.node.settings import RegionSettings


def sealing_name(endpoint: str) -> str:
    """The name of the check against one coordinator."""
    return translated("sealing key at {name}", name=endpoint)


def check_sealing_key(endpoint: str, member: Member | None, settings: RegionSettings, now: datetime) -> Finding:
    """Compares the coordinator's sealing key of this region with the node's files."""
    name = sealing_name(endpoint)
    if member is None or not member.signing_certificate:
        return not_checked(name, translated("this region has not joined: its node publishes the key when it joins"))
    if not member.sealing_key.key:
        return bad(
            name,
            translated("none is published: no other region can send anything to this one"),
            translated("bring node and coordinator up to this version: a node tells its key in each heartbeat"),
        )
    try:
        keys = KeySet.load(settings.keys)
        trusted = TrustedKeys(settings.credentials.authority.read_bytes(), settings.federation)
        trusted.accept(settings.region, member.signing_certificate, now)
    except (RegionKeysUnusable, OSError, ValueError, Refused):
        return not_checked(name, translated("the node's own files cannot be used"))
    if prover_of(settings.region, member.sealing_key, trusted.signer_of) is None:
        return bad(
            name,
            translated("the one that is published is not signed by this region: others do not use it"),
            translated(
                "let every process of the region have the same signing key, and restart the node: it signs its key anew"
            ),
        )
    return _compared(name, member.sealing_key.key, keys, settings.keys)


def _compared(name: str, told: bytes, keys: KeySet, file: Path) -> Finding:
    """Compares a key signed by this region with the node's keys."""
    if told == keys.in_use.sealing.public:
        return good(name, translated("the key in use, {key}, is published", key=keys.in_use.id))
    former = next((key for key in keys.wrapping if key.sealing.public == told), None)
    if former is not None:
        return warning(
            name,
            translated("still the former key {key} is published", key=former.id),
            translated("if it stays so for a minute, hand the file of keys to every process of the region"),
        )
    return bad(
        name,
        translated("a key that is not in {file} is published: what others send cannot be opened", file=file),
        translated("put the file there that every process of the region has"),
    )
