"""The measurements that a node keeps as they came, read from its database."""

import zlib

from gateway.api.region.v1.measurement_service_pb2 import Measurement, SendMeasurementsRequest
from gateway.store.port import Transaction


def measurements_of(tx: Transaction, stream: str) -> list[Measurement]:
    """All measurements of a stream that are kept as they came, in their order."""
    sql = "SELECT content FROM measurement_pieces WHERE stream = :stream ORDER BY first_sequence"
    return [
        each
        for content in tx.all(bytes, sql, stream=stream)
        for each in SendMeasurementsRequest.FromString(zlib.decompress(content)).measurements
    ]
