"""The registration of measurements and alarms for retention. They hold no personal data."""

from gateway.api.federation.v1.configuration_pb2 import DataClass
from region_node.network.measurements.purging import Alarms, MeasurementDays, MeasurementHours, Measurements
from region_node.records.kinds import RecordKind, RetentionPort

MEASUREMENTS = RecordKind(
    "measurement",
    retention=RetentionPort(
        purgers={
            DataClass.DATA_CLASS_MEASUREMENTS: Measurements(),
            DataClass.DATA_CLASS_MEASUREMENT_HOURS: MeasurementHours(),
            DataClass.DATA_CLASS_MEASUREMENT_DAYS: MeasurementDays(),
            DataClass.DATA_CLASS_ALARMS: Alarms(),
        }
    ),
)
