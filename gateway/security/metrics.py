"""The metric of the ends of certificates."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from opentelemetry.metrics import Meter

from gateway.process.metrics import observe
from gateway.security.tls import CredentialsUnusable, end_of
from gateway.time.clock import Clock


def observe_certificates(meter: Meter, files: Mapping[str, Callable[[datetime], Path]], clock: Clock) -> None:
    """Gauges the seconds until a certificate ends, by its use; negative afterwards, and 0 for an unusable file.

    `files` name the certificate of each use at an aware time.
    """

    def read() -> Iterator[tuple[float, dict[str, str]]]:
        now = clock.now()
        for use, file in files.items():
            try:
                left = (end_of(file(now)) - now).total_seconds()
            except CredentialsUnusable:
                left = 0.0  # without a value no alert could see it
            yield left, {"use": use}

    observe(meter, "crossregion.certificate.validity", "s", read)
