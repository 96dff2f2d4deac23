"""The metric of the ends of certificates."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from opentelemetry.metrics import Meter

from gateway.process.metrics import observe
from gateway.security.tls import CredentialsUnusable, end_of
from gateway.time.clock import Clock


def observe_certificates(meter: Meter, files: Mapping[str, Path], clock: Clock) -> None:
    """Gauges the seconds until a certificate ends, by its use; negative afterwards. Unusable files have none."""

    def read() -> Iterator[tuple[float, dict[str, str]]]:
        for use, file in files.items():
            try:
                end = end_of(file)
            except CredentialsUnusable:
                continue
            yield (end - clock.now()).total_seconds(), {"use": use}

    observe(meter, "crossregion.certificate.validity", "s", read)
