"""The certificates of a coordinator at work: its own, which it renews by the registry that it serves, and others."""

from collections.abc import Coroutine, Sequence
from functools import partial

from opentelemetry.metrics import Meter

from coordinator.renewals.service import RenewalService
from coordinator.routing.channels import RegionChannels
from coordinator.settings import CoordinatorSettings
from gateway.security.authority_file import follow_authority
from gateway.security.certificate_renewal import CertificateRenewal, RenewalPorts
from gateway.security.member_proofs import proof_of_member
from gateway.security.signing import RENEWAL, TrustedKeys
from gateway.security.tls import RenewedCredentials
from gateway.time.clock import SystemClock


def certificate_loops(
    settings: CoordinatorSettings, service: RenewalService, keys: TrustedKeys, channels: RegionChannels, meter: Meter
) -> Sequence[Coroutine[None, None, None]]:
    """The loops that follow the authority, the revoked servers, and the end of the own certificate."""
    return (
        follow_authority(settings.credentials, keys),
        channels.leave_out_revoked(keys.revocations),
        *_renewal(settings, service, keys, meter),
    )


def _renewal(
    settings: CoordinatorSettings, service: RenewalService, keys: TrustedKeys, meter: Meter
) -> Sequence[Coroutine[None, None, None]]:
    """The loop that renews the certificate; none where the settings leave that to people."""
    credentials, clock = settings.own_credentials, SystemClock()
    if not isinstance(credentials, RenewedCredentials):
        return ()
    renewal = CertificateRenewal(
        RenewalPorts(
            credentials=credentials,
            identity=settings.identity,
            process=0,
            prove=proof_of_member(credentials, clock, RENEWAL),
            authorities=lambda: keys.authorities,
            ask=partial(service.renew, caller=settings.identity),
            clock=clock,
        )
    )
    renewal.observe(meter)
    return (renewal.run(),)
