"""Registration of supervision samples for retention."""

from gateway.api.federation.v1.configuration_pb2 import DataClass
from region_node.care.quality.purging import Samples
from region_node.records.kinds import RecordKind, RetentionPort

SAMPLES = RecordKind("sample", retention=RetentionPort(purgers={DataClass.DATA_CLASS_QUALITY_SAMPLES: Samples()}))
