"""A coordinator that serves joiners, its administrators, and the commands that they and joiners run."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import cast

from deploy.local.ports import HeldPort
from gateway.api.federation.v1.configuration_pb2 import Configuration
from gateway.api.federation.v1.revision_pb2 import Anchor, ProposedRevision, SignedRevision
from gateway.federation.revisions import digest, statement_after
from gateway.security.authority import (
    Authority,
)
from gateway.security.issuing import IssuerDirectory
from gateway.security.signing import Signer
from tests import preloaded
from tests.administrators import Administrators
from tests.contract.coordinators import Federation, federation
from tests.contract.small_federation import CLOCK, CONFIGURATION, FEDERATION, HOUR, NOW, Certificates
from tests.preloaded import Ended


@dataclass
class Scene:
    """A coordinator that serves joiners, two administrators, and the directory of the authority."""

    running: Federation
    joining: str
    directory: Path

    async def administrator(self, name: str, *words: str, language: str = "en", typed: str = "") -> Ended:
        """Runs a command of an administrator."""
        files = self.running.certificates.credentials(f"admin/{name}").certificate.parent
        environment = {
            "CROSSREGION_COORDINATOR": self.running.endpoint,
            "CROSSREGION_CREDENTIALS": str(files),
            "CROSSREGION_FEDERATION": FEDERATION,
            "CROSSREGION_LANG": language,
        }
        return await asyncio.to_thread(
            preloaded.run, "coordinator.cli.main", "enrolments", *words, environment=environment, typed=typed
        )

    async def invited(self, region: str = "hunan") -> str:
        """The token of a fresh invitation."""
        ended = await self.administrator("li", "invite", region)
        assert ended.code == 0, ended.err
        return ended.out.strip()

    async def join(self, token: str, out: str = "node", wait: float = 0) -> Ended:
        """Runs `region-node join`."""
        words = ("join", "-", "--coordinator", self.joining, "--out", str(self.directory / out), "--wait", str(wait))
        environment = {"CROSSREGION_LANG": "en"}
        return await asyncio.to_thread(
            preloaded.run, "region_node.cli.main", *words, environment=environment, typed=f"{token}\n"
        )

    async def node_issuer(self) -> Ended:
        """Has the authority certify an issuer of nodes."""
        words = ("certificates", "issue-node-issuer", str(self.directory / "authority"), "--days", "9")
        out = ("--out", str(self.directory / "issuer"))
        return await asyncio.to_thread(preloaded.run, "coordinator.cli.main", *words, *out, environment={})

    async def region_issuer(self, region: str) -> Ended:
        """Has the authority certify the issuer of a region."""
        words = ("certificates", "issue-issuer", str(self.directory / "authority"), region, "--days", "9")
        out = ("--out", str(self.directory / f"{region}-issuer"))
        return await asyncio.to_thread(preloaded.run, "coordinator.cli.main", *words, *out, environment={})

    async def last(self) -> Mapping[str, str]:
        """The last enrolment, as administrators list it."""
        listed = await self.administrator("wang", "list", "--json")
        return cast("list[dict[str, str]]", listed.summary["enrolments"])[-1]

    async def id(self) -> str:
        """The id of the last enrolment."""
        return (await self.last())["id"]

    async def state(self) -> str:
        """The state of the last enrolment, as `APPROVED`."""
        return (await self.last())["state"].removeprefix("ENROLMENT_STATE_")

    async def approve(
        self, name: str, fingerprint: str, *words: str, authority: str = "authority", typed: str = "y"
    ) -> Ended:
        """Answers the question whether to approve the last enrolment."""
        files = ("--authority", str(self.directory / authority), "--days", "3")
        return await self.administrator(
            name, "approve", await self.id(), fingerprint, *files, *words, typed=f"{typed}\n"
        )

    def certified(self) -> list[str]:
        """The regions that the authority has certified by commands."""
        return sorted({each.uri.rpartition("/")[2] for each in IssuerDirectory(self.directory / "authority").issued()})

    def proposal(self, file: Path, after: Configuration, *, shows_before: bool = True) -> None:
        """Writes a proposal of Li, whose key is beside it, that a configuration follows the one that applied first."""
        before = CONFIGURATION.SerializeToString(deterministic=True)
        place = Anchor(federation=FEDERATION, revision=1, digest=digest(before))
        place.administration.threshold = 1
        place.administration.administrators.add(name="li", key=Signer.create(file.with_suffix(".key")).public_key)
        after.administration.CopyFrom(place.administration)
        content = after.SerializeToString(deterministic=True)
        revision = SignedRevision(statement=statement_after(place, content, CLOCK.now(), CLOCK.now() + HOUR))
        shown = before if shows_before else b""
        proposed = ProposedRevision(
            revision=revision, configuration=content, previous=place, previous_configuration=shown
        )
        file.write_bytes(proposed.SerializeToString())


def long_authority() -> Authority:
    return Authority.create(FEDERATION, NOW - HOUR, NOW + timedelta(days=30))


@asynccontextmanager
async def scene(tmp_path: Path, people: Administrators | None = None) -> AsyncIterator[Scene]:
    """A scene with the shipped configuration; with `people`, who sign each one, with none yet."""
    port, certificates = HeldPort(), Certificates(tmp_path / "certificates")
    joining, anchor = f"127.0.0.1:{port.number}", people.anchor_file if people is not None else None
    certificates.authority = long_authority()
    certificates.authority.save(tmp_path / "authority")
    async with federation(certificates, tmp_path / "data", enrolment=joining, anchor=anchor) as running:
        if people is None:
            await running.apply()
        yield Scene(running, joining, tmp_path)


def told_in(ended: Ended) -> list[str]:
    """The id and the fingerprint for whoever approves."""
    return ended.out.partition("who approves: ")[2].split()[:2]


def fingerprint_in(ended: Ended) -> str:
    return told_in(ended)[1]
