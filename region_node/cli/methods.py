"""The RPCs that operator systems and staff may call, found in the contract itself."""

from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.api.region.v1 import (
    agreement_service_pb2,
    agreement_service_pb2_grpc,
    alarm_service_pb2,
    alarm_service_pb2_grpc,
    attachment_service_pb2,
    attachment_service_pb2_grpc,
    billing_service_pb2,
    billing_service_pb2_grpc,
    catalogue_service_pb2,
    catalogue_service_pb2_grpc,
    complaint_import_service_pb2,
    complaint_import_service_pb2_grpc,
    complaint_service_pb2,
    complaint_service_pb2_grpc,
    customer_service_pb2,
    customer_service_pb2_grpc,
    document_service_pb2,
    document_service_pb2_grpc,
    dossier_service_pb2,
    dossier_service_pb2_grpc,
    erasure_service_pb2,
    erasure_service_pb2_grpc,
    fault_service_pb2,
    fault_service_pb2_grpc,
    improvement_service_pb2,
    improvement_service_pb2_grpc,
    measurement_service_pb2,
    measurement_service_pb2_grpc,
    notice_service_pb2,
    notice_service_pb2_grpc,
    order_event_service_pb2,
    order_event_service_pb2_grpc,
    order_service_pb2,
    order_service_pb2_grpc,
    planned_outage_service_pb2,
    planned_outage_service_pb2_grpc,
    problem_service_pb2,
    problem_service_pb2_grpc,
    retention_service_pb2,
    retention_service_pb2_grpc,
    sharing_service_pb2,
    sharing_service_pb2_grpc,
    support_registry_service_pb2,
    support_registry_service_pb2_grpc,
    support_service_pb2,
    support_service_pb2_grpc,
    verification_service_pb2,
    verification_service_pb2_grpc,
)
from gateway.api.types.v1 import access_pb2
from gateway.api.types.v1.access_pb2 import Role

_CALLERS = frozenset({Role.ROLE_OPERATOR, Role.ROLE_STAFF})
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
    """One RPC, and its comment in the contract."""

    descriptor: MethodDescriptor
    comment: str

    @property
    def name(self) -> str:
        """What people type: `OrderService.SubmitOrder`."""
        return f"{self._service.name}.{self.descriptor.name}"

    @property
    def path(self) -> str:
        """What gRPC calls: `/package.Service/Method`."""
        return f"/{self._service.full_name}/{self.descriptor.name}"

    @property
    def summary(self) -> str:
        """The first sentence of the comment."""
        return self.comment.partition(". ")[0].rstrip(".") + "."

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
        """What does the same in the shell where the requests are a stream; empty where nothing does."""
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
    # The comments of a method stand only on the generated servicer.
    services = (
        (order_service_pb2, order_service_pb2_grpc.OrderServiceServicer),
        (order_event_service_pb2, order_event_service_pb2_grpc.OrderEventServiceServicer),
        (customer_service_pb2, customer_service_pb2_grpc.CustomerServiceServicer),
        (document_service_pb2, document_service_pb2_grpc.DocumentServiceServicer),
        (billing_service_pb2, billing_service_pb2_grpc.BillingServiceServicer),
        (catalogue_service_pb2, catalogue_service_pb2_grpc.CatalogueServiceServicer),
        (verification_service_pb2, verification_service_pb2_grpc.VerificationServiceServicer),
        (sharing_service_pb2, sharing_service_pb2_grpc.SharingServiceServicer),
        (notice_service_pb2, notice_service_pb2_grpc.NoticeServiceServicer),
        (erasure_service_pb2, erasure_service_pb2_grpc.ErasureServiceServicer),
        (complaint_service_pb2, complaint_service_pb2_grpc.ComplaintServiceServicer),
        (complaint_import_service_pb2, complaint_import_service_pb2_grpc.ComplaintImportServiceServicer),
        (attachment_service_pb2, attachment_service_pb2_grpc.AttachmentServiceServicer),
        (dossier_service_pb2, dossier_service_pb2_grpc.DossierServiceServicer),
        (improvement_service_pb2, improvement_service_pb2_grpc.ImprovementServiceServicer),
        (fault_service_pb2, fault_service_pb2_grpc.FaultServiceServicer),
        (problem_service_pb2, problem_service_pb2_grpc.ProblemServiceServicer),
        (alarm_service_pb2, alarm_service_pb2_grpc.AlarmServiceServicer),
        (measurement_service_pb2, measurement_service_pb2_grpc.MeasurementServiceServicer),
        (agreement_service_pb2, agreement_service_pb2_grpc.AgreementServiceServicer),
        (planned_outage_service_pb2, planned_outage_service_pb2_grpc.PlannedOutageServiceServicer),
        (support_service_pb2, support_service_pb2_grpc.SupportServiceServicer),
        (support_registry_service_pb2, support_registry_service_pb2_grpc.SupportRegistryServiceServicer),
        (retention_service_pb2, retention_service_pb2_grpc.RetentionServiceServicer),
    )
    methods = (
        Method(descriptor, (getattr(servicer, descriptor.name).__doc__ or "").strip())
        for module, servicer in services
        for service in module.DESCRIPTOR.services_by_name.values()
        for descriptor in service.methods
        if _CALLERS.intersection(descriptor.GetOptions().Extensions[access_pb2.allow])
    )
    return {method.name: method for method in methods}
