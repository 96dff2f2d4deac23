"""The RPCs that operator systems and staff may call, found in the contract itself."""

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.api.types.v1 import access_pb2
from gateway.api.types.v1.access_pb2 import Role

_CALLERS = frozenset({Role.ROLE_OPERATOR, Role.ROLE_STAFF})
_CONTRACT = "gateway.api.region.v1"
_SERVICES = (
    "order_service",
    "order_event_service",
    "listener_service",
    "joint_order_service",
    "customer_move_service",
    "customer_service",
    "document_service",
    "billing_service",
    "catalogue_service",
    "verification_service",
    "sharing_service",
    "notice_service",
    "erasure_service",
    "approval_service",
    "complaint_service",
    "complaint_import_service",
    "attachment_service",
    "dossier_service",
    "improvement_service",
    "fault_service",
    "followed_problem_service",
    "alarm_service",
    "measurement_service",
    "agreement_service",
    "planned_outage_service",
    "support_service",
    "support_resource_service",
    "issue_service",
    "loan_service",
    "bulletin_service",
    "survey_service",
    "retention_service",
    "quarantine_service",
    "recovery_service",
    "audit_service",
    "quality_service",
    "reconciliation_service",
    "settlement_service",
)
_COMMANDS = {
    "OrderService.SubmitOrders": "region-node orders submit-file",
    "CustomerService.ImportCustomers": "region-node customers import",
    "DocumentService.UploadDocument": "region-node documents upload",
    "ComplaintImportService.ImportComplaints": "region-node complaints import",
    "AttachmentService.AttachFile": "region-node complaints attach",
    "AlarmService.SendAlarms": "region-node alarms import",
    "MeasurementService.SendMeasurements": "region-node measurements import",
}


@dataclass(frozen=True)
class Method:
    """An RPC, and its comment in the contract."""

    descriptor: MethodDescriptor
    comment: str

    @property
    def name(self) -> str:
        """The typed name: `OrderService.SubmitOrder`."""
        return f"{self._service.name}.{self.descriptor.name}"

    @property
    def path(self) -> str:
        """The path in gRPC: `/package.Service/Method`."""
        return f"/{self._service.full_name}/{self.descriptor.name}"

    @property
    def summary(self) -> str:
        """The first sentence of the comment, on one line."""
        paragraph = " ".join(re.split(r"\n\s*\n", self.comment)[0].split())
        return re.split(r"(?<=\.) (?=[A-Z])", paragraph)[0]

    @property
    def streams(self) -> bool:
        """Whether the answer is a stream."""
        return self.descriptor.server_streaming

    @property
    def takes_stream(self) -> bool:
        """Whether the requests are a stream."""
        return self.descriptor.client_streaming

    @property
    def command(self) -> str:
        """The shell command for a method whose requests are a stream; empty without one."""
        return _COMMANDS.get(self.name, "")

    @property
    def only_reads(self) -> bool:
        """Whether a call changes nothing."""
        return self.descriptor.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS

    @property
    def request(self) -> type[Message]:
        """The class of the request."""
        return GetMessageClass(self.descriptor.input_type)

    @property
    def response(self) -> type[Message]:
        """The class of the response, or of each message of the stream."""
        return GetMessageClass(self.descriptor.output_type)

    @property
    def _service(self) -> ServiceDescriptor:
        return self.descriptor.containing_service


def operator_methods() -> Mapping[str, Method]:
    """All of them by name, in the order of the contract."""
    methods = (
        Method(descriptor, (getattr(servicer, descriptor.name).__doc__ or "").strip())
        for service, servicer in map(_service, _SERVICES)
        for descriptor in service.methods
        if _CALLERS.intersection(descriptor.GetOptions().Extensions[access_pb2.allow])
    )
    return {method.name: method for method in methods}


def _service(name: str) -> tuple[ServiceDescriptor, type]:
    """A service of the contract, and its generated servicer, the only place of the methods' comments."""
    messages = importlib.import_module(f"{_CONTRACT}.{name}_pb2")
    (service,) = messages.DESCRIPTOR.services_by_name.values()
    servicer: type = getattr(importlib.import_module(f"{_CONTRACT}.{name}_pb2_grpc"), f"{service.name}Servicer")
    return service, servicer
