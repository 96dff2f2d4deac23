"""The services of a region node."""

from dataclasses import dataclass

from gateway.api.region.v1 import (
    agreement_service_pb2,
    alarm_service_pb2,
    anomaly_service_pb2,
    approval_service_pb2,
    attachment_service_pb2,
    audit_service_pb2,
    billing_service_pb2,
    bulletin_oversight_service_pb2,
    bulletin_service_pb2,
    case_service_pb2,
    catalogue_service_pb2,
    complaint_import_service_pb2,
    complaint_oversight_service_pb2,
    complaint_service_pb2,
    customer_move_oversight_service_pb2,
    customer_move_service_pb2,
    customer_service_pb2,
    document_service_pb2,
    dossier_service_pb2,
    erasure_service_pb2,
    fault_service_pb2,
    followed_problem_service_pb2,
    import_service_pb2,
    improvement_service_pb2,
    issue_oversight_service_pb2,
    issue_service_pb2,
    joint_order_service_pb2,
    listener_service_pb2,
    loan_service_pb2,
    measurement_service_pb2,
    notice_service_pb2,
    order_event_service_pb2,
    order_oversight_service_pb2,
    order_service_pb2,
    planned_outage_service_pb2,
    quality_service_pb2,
    quarantine_service_pb2,
    reconciliation_service_pb2,
    recovery_service_pb2,
    resource_oversight_service_pb2,
    retention_service_pb2,
    settlement_service_pb2,
    sharing_service_pb2,
    support_resource_service_pb2,
    support_service_pb2,
    survey_service_pb2,
    verification_service_pb2,
)
from gateway.api.region.v1.agreement_service_pb2_grpc import add_AgreementServiceServicer_to_server
from gateway.api.region.v1.alarm_service_pb2_grpc import add_AlarmServiceServicer_to_server
from gateway.api.region.v1.anomaly_service_pb2_grpc import add_AnomalyServiceServicer_to_server
from gateway.api.region.v1.approval_service_pb2_grpc import add_ApprovalServiceServicer_to_server
from gateway.api.region.v1.attachment_service_pb2_grpc import add_AttachmentServiceServicer_to_server
from gateway.api.region.v1.audit_service_pb2_grpc import add_AuditServiceServicer_to_server
from gateway.api.region.v1.billing_service_pb2_grpc import add_BillingServiceServicer_to_server
from gateway.api.region.v1.bulletin_oversight_service_pb2_grpc import (
    add_BulletinOversightServiceServicer_to_server,
)
from gateway.api.region.v1.bulletin_service_pb2_grpc import add_BulletinServiceServicer_to_server
from gateway.api.region.v1.case_service_pb2_grpc import add_CaseServiceServicer_to_server
from gateway.api.region.v1.catalogue_service_pb2_grpc import add_CatalogueServiceServicer_to_server
from gateway.api.region.v1.complaint_import_service_pb2_grpc import (
    add_ComplaintImportServiceServicer_to_server,
)
from gateway.api.region.v1.complaint_oversight_service_pb2_grpc import (
    add_ComplaintOversightServiceServicer_to_server,
)
from gateway.api.region.v1.complaint_service_pb2_grpc import add_ComplaintServiceServicer_to_server
from gateway.api.region.v1.customer_move_oversight_service_pb2_grpc import (
    add_CustomerMoveOversightServiceServicer_to_server,
)
from gateway.api.region.v1.customer_move_service_pb2_grpc import add_CustomerMoveServiceServicer_to_server
from gateway.api.region.v1.customer_service_pb2_grpc import add_CustomerServiceServicer_to_server
from gateway.api.region.v1.document_service_pb2_grpc import add_DocumentServiceServicer_to_server
from gateway.api.region.v1.dossier_service_pb2_grpc import add_DossierServiceServicer_to_server
from gateway.api.region.v1.erasure_service_pb2_grpc import add_ErasureServiceServicer_to_server
from gateway.api.region.v1.fault_service_pb2_grpc import add_FaultServiceServicer_to_server
from gateway.api.region.v1.followed_problem_service_pb2_grpc import add_FollowedProblemServiceServicer_to_server
from gateway.api.region.v1.import_service_pb2_grpc import add_ImportServiceServicer_to_server
from gateway.api.region.v1.improvement_service_pb2_grpc import add_ImprovementServiceServicer_to_server
from gateway.api.region.v1.issue_oversight_service_pb2_grpc import add_IssueOversightServiceServicer_to_server
from gateway.api.region.v1.issue_service_pb2_grpc import add_IssueServiceServicer_to_server
from gateway.api.region.v1.joint_order_service_pb2_grpc import add_JointOrderServiceServicer_to_server
from gateway.api.region.v1.listener_service_pb2_grpc import add_ListenerServiceServicer_to_server
from gateway.api.region.v1.loan_service_pb2_grpc import add_LoanServiceServicer_to_server
from gateway.api.region.v1.measurement_service_pb2_grpc import add_MeasurementServiceServicer_to_server
from gateway.api.region.v1.notice_service_pb2_grpc import add_NoticeServiceServicer_to_server
from gateway.api.region.v1.order_event_service_pb2_grpc import add_OrderEventServiceServicer_to_server
from gateway.api.region.v1.order_oversight_service_pb2_grpc import add_OrderOversightServiceServicer_to_server
from gateway.api.region.v1.order_service_pb2_grpc import add_OrderServiceServicer_to_server
from gateway.api.region.v1.planned_outage_service_pb2_grpc import add_PlannedOutageServiceServicer_to_server
from gateway.api.region.v1.quality_service_pb2_grpc import add_QualityServiceServicer_to_server
from gateway.api.region.v1.quarantine_service_pb2_grpc import add_QuarantineServiceServicer_to_server
from gateway.api.region.v1.reconciliation_service_pb2_grpc import add_ReconciliationServiceServicer_to_server
from gateway.api.region.v1.recovery_service_pb2_grpc import add_RecoveryServiceServicer_to_server
from gateway.api.region.v1.resource_oversight_service_pb2_grpc import add_ResourceOversightServiceServicer_to_server
from gateway.api.region.v1.retention_service_pb2_grpc import add_RetentionServiceServicer_to_server
from gateway.api.region.v1.settlement_service_pb2_grpc import add_SettlementServiceServicer_to_server
from gateway.api.region.v1.sharing_service_pb2_grpc import add_SharingServiceServicer_to_server
from gateway.api.region.v1.support_resource_service_pb2_grpc import (
    add_SupportResourceServiceServicer_to_server,
)
from gateway.api.region.v1.support_service_pb2_grpc import add_SupportServiceServicer_to_server
from gateway.api.region.v1.survey_service_pb2_grpc import add_SurveyServiceServicer_to_server
from gateway.api.region.v1.verification_service_pb2_grpc import add_VerificationServiceServicer_to_server
from gateway.api.relay.v1 import relay_pb2
from gateway.api.relay.v1.relay_pb2_grpc import add_RelayServiceServicer_to_server
from gateway.api.types.v1.access_pb2 import Role
from gateway.relay.service import RelayService
from gateway.rpc.access import services_of
from gateway.rpc.server import Service
from gateway.store.fenced import FencedStore
from gateway.store.port import Store
from gateway.time.clock import Clock
from region_node.app.core import RegionCore
from region_node.app.registered import PROBLEMS, reconciliation, settlement
from region_node.approvals.service import ApprovalService
from region_node.business.billing.service import BillingService
from region_node.business.catalogue.service import CatalogueService
from region_node.business.joint.service import JointOrderService
from region_node.business.orders.events_service import OrderEventService
from region_node.business.orders.service import OrderService
from region_node.business.reconciliation.service import ReconciliationService
from region_node.business.settlement.service import SettlementService
from region_node.care.anomalies.service import AnomalyService
from region_node.care.bulletins.service import BulletinService
from region_node.care.complaints.attachment_service import AttachmentService
from region_node.care.complaints.case_service import CaseService
from region_node.care.complaints.import_service import ComplaintImportService
from region_node.care.complaints.service import ComplaintService
from region_node.care.dossiers.service import DossierService
from region_node.care.improvements.service import ImprovementService
from region_node.care.issues.service import IssueService
from region_node.care.loans.service import LoanService
from region_node.care.quality.service import QualityService
from region_node.care.quarantine.service import QuarantineService
from region_node.care.surveys.service import SurveyService
from region_node.customers.contacts_asked import ContactApplication
from region_node.customers.documents.service import DocumentPorts, DocumentService
from region_node.customers.notices.service import NoticeService
from region_node.customers.profiles_asked import ProfileApplication
from region_node.customers.service import CustomerService
from region_node.customers.sharing.application import SharingApplication
from region_node.customers.sharing.service import SharingService
from region_node.customers.verification.service import VerificationService
from region_node.lifecycle.erasure.service import ErasureService
from region_node.lifecycle.moving.service import CustomerMoveService
from region_node.lifecycle.recovery.service import RecoveryService
from region_node.lifecycle.retention.service import RetentionService
from region_node.listeners.callbacks import Callbacks
from region_node.listeners.service import ListenerService
from region_node.network.agreements.service import AgreementService
from region_node.network.faults.service import FaultService
from region_node.network.measurements.alarm_service import AlarmService
from region_node.network.measurements.service import MeasurementService
from region_node.network.planned_outages.service import Hold, PlannedOutageService
from region_node.network.problems.service import FollowedProblemService
from region_node.network.support.registry_service import SupportResourceService
from region_node.network.support.service import SupportService
from region_node.node.stored_scopes import ScopeKeeper
from region_node.oversight.audit_service import AuditService
from region_node.oversight.bulletin_service import BulletinOversightService
from region_node.oversight.complaint_service import ComplaintOversightService
from region_node.oversight.issue_service import IssueOversightService
from region_node.oversight.move_service import CustomerMoveOversightService
from region_node.oversight.resource_service import ResourceOversightService
from region_node.oversight.service import OrderOversightService
from region_node.requests.importing.service import ImportService
from region_node.requests.questions import Questions


@dataclass(frozen=True)
class ServicePorts:
    """The ports of the services."""

    core: RegionCore
    store: Store
    unfenced: Store
    """The store behind the fence, for what shows and accepts losses."""
    fence: FencedStore
    clock: Clock
    questions: Questions
    hold: Hold
    """Has a coordinator hold a planned outage."""
    callbacks: Callbacks
    signing_certificate: str
    """PEM."""
    scopes: ScopeKeeper


def services(ports: ServicePorts) -> list[Service]:
    """All services of a node."""
    others = [
        *_of_business(ports),
        *_of_care(ports),
        *_of_records(ports),
        *_of_staff(ports),
        *_of_the_network(ports),
        *_of_the_federation(ports),
        *_between_regions(ports),
    ]
    names = services_of(Role.ROLE_OPERATOR, (each.descriptor for each in others))
    approvals = ApprovalService(ports.core.context, ports.unfenced, ports.clock, ports.scopes, names)
    descriptor = approval_service_pb2.DESCRIPTOR.services_by_name["ApprovalService"]
    return [*others, Service.of(descriptor, add_ApprovalServiceServicer_to_server, approvals)]


def _of_business(ports: ServicePorts) -> list[Service]:
    """Orders, customers' lines, bills and the catalogue."""
    core, store, clock, questions = ports.core, ports.store, ports.clock, ports.questions
    context = core.context
    profiles = ProfileApplication(context, store, questions, clock)
    contacts = ContactApplication(context, store, questions, clock)
    return [
        Service.of(
            order_service_pb2.DESCRIPTOR.services_by_name["OrderService"],
            add_OrderServiceServicer_to_server,
            OrderService(context, core.application, store, core.changes, clock),
        ),
        Service.of(
            order_event_service_pb2.DESCRIPTOR.services_by_name["OrderEventService"],
            add_OrderEventServiceServicer_to_server,
            OrderEventService(store, core.changes),
        ),
        Service.of(
            joint_order_service_pb2.DESCRIPTOR.services_by_name["JointOrderService"],
            add_JointOrderServiceServicer_to_server,
            JointOrderService(context, core.joint, store, core.changes, clock),
        ),
        Service.of(
            listener_service_pb2.DESCRIPTOR.services_by_name["ListenerService"],
            add_ListenerServiceServicer_to_server,
            ListenerService(context, store, clock, ports.callbacks, ports.signing_certificate),
        ),
        Service.of(
            customer_service_pb2.DESCRIPTOR.services_by_name["CustomerService"],
            add_CustomerServiceServicer_to_server,
            CustomerService(context, store, clock, profiles, contacts),
        ),
        Service.of(
            billing_service_pb2.DESCRIPTOR.services_by_name["BillingService"],
            add_BillingServiceServicer_to_server,
            BillingService(context, store, questions, clock),
        ),
        Service.of(
            catalogue_service_pb2.DESCRIPTOR.services_by_name["CatalogueService"],
            add_CatalogueServiceServicer_to_server,
            CatalogueService(context, store, clock),
        ),
        Service.of(
            verification_service_pb2.DESCRIPTOR.services_by_name["VerificationService"],
            add_VerificationServiceServicer_to_server,
            VerificationService(context, core.verification, questions),
        ),
    ]


def _of_care(ports: ServicePorts) -> list[Service]:
    """Complaints, dossiers, improvements, notices and quality."""
    core, store, clock, questions = ports.core, ports.store, ports.clock, ports.questions
    context = core.context
    return [
        Service.of(
            complaint_service_pb2.DESCRIPTOR.services_by_name["ComplaintService"],
            add_ComplaintServiceServicer_to_server,
            ComplaintService(core.complaints, store, core.changes, clock),
        ),
        Service.of(
            complaint_import_service_pb2.DESCRIPTOR.services_by_name["ComplaintImportService"],
            add_ComplaintImportServiceServicer_to_server,
            ComplaintImportService(context, store, clock),
        ),
        Service.of(
            dossier_service_pb2.DESCRIPTOR.services_by_name["DossierService"],
            add_DossierServiceServicer_to_server,
            DossierService(context, core.complaints, store, clock),
        ),
        Service.of(
            attachment_service_pb2.DESCRIPTOR.services_by_name["AttachmentService"],
            add_AttachmentServiceServicer_to_server,
            AttachmentService(context, store, clock, questions),
        ),
        Service.of(
            improvement_service_pb2.DESCRIPTOR.services_by_name["ImprovementService"],
            add_ImprovementServiceServicer_to_server,
            ImprovementService(context, store, clock),
        ),
        Service.of(
            import_service_pb2.DESCRIPTOR.services_by_name["ImportService"],
            add_ImportServiceServicer_to_server,
            ImportService(store),
        ),
        Service.of(
            notice_service_pb2.DESCRIPTOR.services_by_name["NoticeService"],
            add_NoticeServiceServicer_to_server,
            NoticeService(store, clock),
        ),
        Service.of(
            quality_service_pb2.DESCRIPTOR.services_by_name["QualityService"],
            add_QualityServiceServicer_to_server,
            QualityService(context, store, clock),
        ),
    ]


def _of_the_network(ports: ServicePorts) -> list[Service]:
    """Network support: faults, alarms and measurements, agreements on the service of lines, and planned outages."""
    core, store, clock = ports.core, ports.store, ports.clock
    return [
        Service.of(
            fault_service_pb2.DESCRIPTOR.services_by_name["FaultService"],
            add_FaultServiceServicer_to_server,
            FaultService(core.context, core.faults, store, core.changes, clock),
        ),
        Service.of(
            alarm_service_pb2.DESCRIPTOR.services_by_name["AlarmService"],
            add_AlarmServiceServicer_to_server,
            AlarmService(core.context, store, core.changes, clock),
        ),
        Service.of(
            measurement_service_pb2.DESCRIPTOR.services_by_name["MeasurementService"],
            add_MeasurementServiceServicer_to_server,
            MeasurementService(core.context, store, clock),
        ),
        Service.of(
            agreement_service_pb2.DESCRIPTOR.services_by_name["AgreementService"],
            add_AgreementServiceServicer_to_server,
            AgreementService(core.context, store, clock),
        ),
        Service.of(
            planned_outage_service_pb2.DESCRIPTOR.services_by_name["PlannedOutageService"],
            add_PlannedOutageServiceServicer_to_server,
            PlannedOutageService(core.context, store, clock, ports.hold),
        ),
        Service.of(
            support_service_pb2.DESCRIPTOR.services_by_name["SupportService"],
            add_SupportServiceServicer_to_server,
            SupportService(core.context, core.support, store, ports.questions, clock),
        ),
        Service.of(
            support_resource_service_pb2.DESCRIPTOR.services_by_name["SupportResourceService"],
            add_SupportResourceServiceServicer_to_server,
            SupportResourceService(core.context, store, ports.questions, clock),
        ),
    ]


def _of_records(ports: ServicePorts) -> list[Service]:
    """The services of customers' records, and of their satisfaction."""
    core, store, clock, questions = ports.core, ports.store, ports.clock, ports.questions
    context = core.context
    return [
        Service.of(
            document_service_pb2.DESCRIPTOR.services_by_name["DocumentService"],
            add_DocumentServiceServicer_to_server,
            DocumentService(DocumentPorts(context, store, clock, core.register, core.contents, questions)),
        ),
        Service.of(
            sharing_service_pb2.DESCRIPTOR.services_by_name["SharingService"],
            add_SharingServiceServicer_to_server,
            SharingService(SharingApplication(context, store, questions, clock)),
        ),
        Service.of(
            survey_service_pb2.DESCRIPTOR.services_by_name["SurveyService"],
            add_SurveyServiceServicer_to_server,
            SurveyService(context, store, questions, clock),
        ),
        Service.of(
            erasure_service_pb2.DESCRIPTOR.services_by_name["ErasureService"],
            add_ErasureServiceServicer_to_server,
            ErasureService(core.registry, store, clock),
        ),
        Service.of(
            customer_move_service_pb2.DESCRIPTOR.services_by_name["CustomerMoveService"],
            add_CustomerMoveServiceServicer_to_server,
            CustomerMoveService(core.registry, store, clock),
        ),
        Service.of(
            customer_move_oversight_service_pb2.DESCRIPTOR.services_by_name["CustomerMoveOversightService"],
            add_CustomerMoveOversightServiceServicer_to_server,
            CustomerMoveOversightService(store),
        ),
        Service.of(
            reconciliation_service_pb2.DESCRIPTOR.services_by_name["ReconciliationService"],
            add_ReconciliationServiceServicer_to_server,
            ReconciliationService(reconciliation(context), store, clock),
        ),
        Service.of(
            settlement_service_pb2.DESCRIPTOR.services_by_name["SettlementService"],
            add_SettlementServiceServicer_to_server,
            SettlementService(settlement(context), store, clock),
        ),
    ]


def _of_staff(ports: ServicePorts) -> list[Service]:
    """The services about work that waits for the region's staff, whatever it is about."""
    core, store, clock = ports.core, ports.store, ports.clock
    return [
        Service.of(
            quarantine_service_pb2.DESCRIPTOR.services_by_name["QuarantineService"],
            add_QuarantineServiceServicer_to_server,
            QuarantineService(core.quarantine, store, clock),
        ),
        Service.of(
            anomaly_service_pb2.DESCRIPTOR.services_by_name["AnomalyService"],
            add_AnomalyServiceServicer_to_server,
            AnomalyService(store, clock),
        ),
        Service.of(
            retention_service_pb2.DESCRIPTOR.services_by_name["RetentionService"],
            add_RetentionServiceServicer_to_server,
            RetentionService(core.registry, store, clock),
        ),
        Service.of(
            recovery_service_pb2.DESCRIPTOR.services_by_name["RecoveryService"],
            add_RecoveryServiceServicer_to_server,
            RecoveryService(core.context, ports.unfenced, ports.fence, clock),
        ),
    ]


def _of_the_federation(ports: ServicePorts) -> list[Service]:
    """The services for coordinators and administrators."""
    core, store, context = ports.core, ports.store, ports.core.context
    return [
        Service.of(
            relay_pb2.DESCRIPTOR.services_by_name["RelayService"],
            add_RelayServiceServicer_to_server,
            RelayService(core.receiver),
        ),
        Service.of(
            order_oversight_service_pb2.DESCRIPTOR.services_by_name["OrderOversightService"],
            add_OrderOversightServiceServicer_to_server,
            OrderOversightService(context, store, ports.clock),
        ),
        Service.of(
            case_service_pb2.DESCRIPTOR.services_by_name["CaseService"],
            add_CaseServiceServicer_to_server,
            CaseService(context, store, ports.clock),
        ),
        Service.of(
            complaint_oversight_service_pb2.DESCRIPTOR.services_by_name["ComplaintOversightService"],
            add_ComplaintOversightServiceServicer_to_server,
            ComplaintOversightService(context, store, ports.clock),
        ),
        Service.of(
            followed_problem_service_pb2.DESCRIPTOR.services_by_name["FollowedProblemService"],
            add_FollowedProblemServiceServicer_to_server,
            FollowedProblemService(context, store, ports.clock, PROBLEMS),
        ),
        Service.of(
            audit_service_pb2.DESCRIPTOR.services_by_name["AuditService"],
            add_AuditServiceServicer_to_server,
            AuditService(ports.unfenced, store, context.scopes, ports.clock),
        ),
    ]


def _between_regions(ports: ServicePorts) -> list[Service]:
    """The services of issues, loans and bulletins between regions."""
    core, store, clock = ports.core, ports.store, ports.clock
    return [
        Service.of(
            issue_service_pb2.DESCRIPTOR.services_by_name["IssueService"],
            add_IssueServiceServicer_to_server,
            IssueService(core.issues, store, clock),
        ),
        Service.of(
            issue_oversight_service_pb2.DESCRIPTOR.services_by_name["IssueOversightService"],
            add_IssueOversightServiceServicer_to_server,
            IssueOversightService(core.context, core.issues, store, clock),
        ),
        Service.of(
            resource_oversight_service_pb2.DESCRIPTOR.services_by_name["ResourceOversightService"],
            add_ResourceOversightServiceServicer_to_server,
            ResourceOversightService(core.context, store, clock),
        ),
        Service.of(
            loan_service_pb2.DESCRIPTOR.services_by_name["LoanService"],
            add_LoanServiceServicer_to_server,
            LoanService(core.loans, store, clock),
        ),
        Service.of(
            bulletin_service_pb2.DESCRIPTOR.services_by_name["BulletinService"],
            add_BulletinServiceServicer_to_server,
            BulletinService(core.bulletins, store, clock),
        ),
        Service.of(
            bulletin_oversight_service_pb2.DESCRIPTOR.services_by_name["BulletinOversightService"],
            add_BulletinOversightServiceServicer_to_server,
            BulletinOversightService(core.context, core.bulletins, store, clock),
        ),
    ]
