"""What callers send under ids that they choose, by RPC: another content, or none that an id could stand for."""

from collections.abc import Mapping, Sequence

Fields = Mapping[str, object]
WHO = {"staff_id": "clerk-7", "channel": "CHANNEL_COUNTER"}
ISSUE: Fields = {"subject": "other", "description": "other", "owner_region": "guangdong", "due_time": "NOW"}
LOAN: Fields = {
    "region": "guangdong",
    "resource_id": "other",
    "quantity": 1,
    "start_time": "2026-12-20T08:00:00Z",
    "end_time": "2099-12-27T08:00:00Z",
    "purpose": "other",
}
BULLETIN: Fields = {
    "severity": "BULLETIN_SEVERITY_URGENT",
    "title": {"zh_cn": "其他", "en": "other"},
    "text": {"zh_cn": "其他", "en": "other"},
    "end_time": "NOW",
}

# RPCs with a request id: another content than that which was sent with it before. It is refused before it is looked at
# closely, so that it need not be possible. TICKET_ID, ORDER, FAULT and NUMBER stand for those of the test.
ASKED_ONCE: Mapping[str, Fields] = {
    "coordinator.CaseService.AssignComplaint": {
        "ticket_id": "TICKET_ID",
        "region": "henan",
        "department": "SETTLEMENT",
    },
    "coordinator.ComplaintOversightService.RaiseComplaint": {
        "ticket_id": "TICKET_ID",
        "level": 4,
        "reason": "other",
    },
    "coordinator.ComplaintOversightService.ReclassifyComplaint": {
        "ticket_id": "TICKET_ID",
        "category": "BILL_ROAM",
        "reason": "other",
    },
    "coordinator.BulletinService.PublishBulletin": {"region": "guangdong", "content": BULLETIN},
    "coordinator.IssueService.OpenIssue": {"issue": ISSUE},
    "coordinator.RiskService.AddRisk": {
        "title": "other",
        "likelihood": 1,
        "impact": 1,
        "owner_region": "henan",
        "owner_department": "SETTLEMENT",
    },
    "region.AgreementService.CreateAgreement": {"number": "NUMBER", "service": "x", "template": "leased-line"},
    "region.AgreementService.EndAgreement": {"agreement_id": "x"},
    "region.AgreementService.NoteOutage": {"service": "x"},
    "region.BulletinOversightService.PublishForAdministrator": {"content": BULLETIN, "administrator": "admin/root"},
    "region.BulletinService.PublishBulletin": {"content": BULLETIN},
    "region.CaseService.AssignComplaint": {
        "ticket_id": "TICKET_ID",
        "region": "henan",
        "department": "SETTLEMENT",
        "administrator": "admin/root",
    },
    "region.CustomerMoveService.StartMove": {"number": "NUMBER", "to_region": "henan"},
    "region.ComplaintOversightService.RaiseComplaint": {
        "ticket_id": "TICKET_ID",
        "level": 4,
        "reason": "other",
        "administrator": "admin/root",
    },
    "region.ComplaintOversightService.ReclassifyComplaint": {
        "ticket_id": "TICKET_ID",
        "category": "BILL_ROAM",
        "reason": "other",
        "administrator": "admin/root",
    },
    "region.ComplaintService.FileComplaint": {
        "complaint": {
            "category": "BILL_WRONG",
            "number": "NUMBER",
            "description": "other",
            "remedy_sought": "REMEDY_REFUND",
            "channel": "COMPLAINT_CHANNEL_LETTER",
            "requester": WHO,
            "rural_area": False,
        }
    },
    "region.ComplaintService.ClassifyComplaint": {"ticket_id": "TICKET_ID", "category": "BILL_ROAM", "reason": "other"},
    "region.ComplaintService.RespondToComplaint": {"ticket_id": "TICKET_ID", "text": "other"},
    "region.ComplaintService.AddPrivateNote": {"ticket_id": "TICKET_ID", "text": "other"},
    "region.ComplaintService.ProposeResolution": {
        "ticket_id": "TICKET_ID",
        "text": "other",
        "cause_code": "billing-error",
        "remedy": "REMEDY_CORRECTION",
    },
    "region.ComplaintService.ReturnComplaint": {
        "ticket_id": "TICKET_ID",
        "reason": "RETURN_REASON_NOT_HERE",
        "text": "other",
    },
    "region.ComplaintService.AcceptResolution": {"ticket_id": "TICKET_ID", "rating": 1},
    "region.ComplaintService.RefuseResolution": {"ticket_id": "TICKET_ID", "reason": "other"},
    "region.ComplaintService.WithdrawComplaint": {"ticket_id": "TICKET_ID", "reason": "other"},
    "region.ComplaintService.ExpediteComplaint": {"ticket_id": "TICKET_ID"},
    "region.ComplaintService.SettleRemedy": {"ticket_id": "TICKET_ID", "otherwise": "other"},
    "region.DossierService.AskForRegulator": {"ticket_id": "TICKET_ID"},
    "region.FaultService.ReportFault": {
        "report": {"number": "NUMBER", "description": "other", "place": {"site": "guangzhou"}, "requester": WHO}
    },
    "region.FaultService.CancelFault": {"fault_id": "FAULT", "reason": "other"},
    "region.FaultService.RespondToFault": {"fault_id": "FAULT", "text": "other"},
    "region.FaultService.WorkOnFault": {"fault_id": "FAULT", "note": {"text": "other"}},
    "region.ImprovementService.AddImprovementAction": {
        "ticket_id": "TICKET_ID",
        "text": "other",
        "owner": "li",
        "due_date": "2031-01-31",
    },
    "region.ImprovementService.FinishImprovementAction": {"action_id": "x", "outcome": "other"},
    "region.IssueService.OpenIssue": {"issue": ISSUE},
    "region.LoanService.RequestLoan": {"loan": LOAN},
    "region.LoanService.WorkOnLoan": {"loan_id": "x", "refuse": "other"},
    "region.IssueService.WorkOnIssue": {"issue_id": "x", "note": "other"},
    "region.IssueOversightService.OpenIssueForAdministrator": {
        "issue": ISSUE,
        "administrator": "admin/root",
    },
    "region.JointOrderService.SubmitJointOrder": {"order": {"business": "BB_MOVE", "requester": WHO}},
    "region.JointOrderService.CancelJointOrder": {"joint_order_id": "JOINT", "reason": "other"},
    "region.JointOrderService.SupplementJointOrder": {"joint_order_id": "JOINT", "documents": [{"code": "OTP"}]},
    "region.JointOrderService.WorkOnJointOrder": {"joint_order_id": "JOINT", "item_id": "remove", "reserve": {}},
    "region.SharingService.ConfirmConsent": {"number": "NUMBER", "agreed": True},
    "region.OrderService.SubmitOrder": {
        "order": {
            "business": "PAY",
            "number": "NUMBER",
            "applicant": "APPLICANT_HOLDER",
            "characteristics": {"amount": "700"},
            "requester": WHO,
        }
    },
    "region.OrderService.CancelOrder": {"order_id": "ORDER", "reason": "other"},
    "region.OrderService.SupplementOrder": {"order_id": "ORDER", "note": "other"},
    "region.OrderService.ConfirmOrder": {"order_id": "ORDER", "agreed": True},
    "region.OrderService.ExpediteOrder": {"order_id": "ORDER"},
    "region.OrderService.ReviewOrder": {"order_id": "ORDER", "decision": "REVIEW_DECISION_APPROVE"},
    "region.PlannedOutageService.AnnouncePlannedOutage": {"sites": ["x"]},
    "region.PlannedOutageService.ChangePlannedOutage": {"planned_outage_id": "x"},
    "region.PlannedOutageService.CancelPlannedOutage": {"planned_outage_id": "x"},
    "region.QualityService.DrawSample": {"month": "2026-01", "kind": "SAMPLED_KIND_ORDERS"},
    "region.ReconciliationService.ProposeRepair": {
        "region": "sichuan",
        "record_kind": "order",
        "serial": "ORDER",
        "act": "REPAIR_ACT_CORRECT",
        "acting_region": "sichuan",
        "note": "other",
    },
    "region.ApprovalService.DecideApproval": {"approval_id": "x", "confirmed": True},
    "region.ReconciliationService.DecideRepair": {"repair_id": "x", "confirmed": True},
    "region.SettlementService.SignSettlement": {"region": "sichuan", "month": "2020-01"},
    "region.SettlementService.DisputeSettlement": {"region": "sichuan", "month": "2020-01", "note": "other"},
    "region.SettlementService.RecordSettlementPayment": {"region": "sichuan", "month": "2020-01", "reference": "other"},
    "region.SupportService.OpenSupportRequest": {
        "inquiry": {
            "number": "NUMBER",
            "subject": "other",
            "description": "other",
            "service": "lines-chengdu-guangzhou",
        }
    },
    "region.SupportService.WorkOnSupportRequest": {"support_request_id": "SUPPORT", "note": "other"},
}

# RPCs by which what an id stands for may come to stand otherwise, or that take no id but of what is there already.
LATER_STATE: Mapping[str, str] = {
    "coordinator.MembershipService.SuspendRegion": "a region is suspended, or is so already",
    "coordinator.MembershipService.ReinstateRegion": "a region is reinstated, or was never suspended",
    "coordinator.MembershipService.KeepSuspension": "a statement is kept, or a later one is",
    "coordinator.MembershipService.AcceptRegistryLoss": "a loss is accepted, or was by the same reference",
    "coordinator.ConfigurationService.ApplyConfiguration": "names the revision that it follows",
    "coordinator.RevocationService.PublishRevocationList": "a list has a higher number than the one in force",
    "coordinator.ConfigurationService.AssignNumber": "a number has another home from now on",
    "coordinator.EnrolmentService.InviteRegion": "a token with this hash is an invitation, once",
    "coordinator.EnrolmentService.ApproveEnrolment": "an enrolment is decided once",
    "coordinator.EnrolmentService.RejectEnrolment": "an enrolment is decided once",
    "coordinator.JoiningService.Enrol": "a token counts for the keys that came first",
    "coordinator.RenewalService.RenewCertificate": "the later statement of a process counts",
    "coordinator.RenewalService.IssueCertificate": "a renewal gets its certificate once",
    "coordinator.CaseService.ReportCase": "a higher version of a case is how it stands now",
    "coordinator.IssueService.AppointIssueOwner": "an issue has another owner from now on",
    "coordinator.PlannedOutageRegistryService.HoldPlannedOutage": "a planned outage as the region"
    " that holds it has it now",
    "coordinator.ProblemService.ReportEvent": "a higher version of an alarm or a fault is how it stands now",
    "coordinator.ProblemService.ReportAffected": "the last count counts",
    "coordinator.ProblemService.RecordReport": "a report of a kind is made once",
    "coordinator.RiskService.ChangeRisk": "a decision about a risk is made, or is so already",
    "federation.FederationService.Join": "a heartbeat tells how the region stands",
    "region.IssueOversightService.AppointIssueOwner": "an issue has another owner from now on",
    "provider.FulfilmentService.Provision": "an order is provisioned once; the system is the region's own",
    "provider.FulfilmentService.Test": "tests what was provisioned",
    "provider.FulfilmentService.Undo": "an order is undone once",
    "region.AlarmService.AcknowledgeAlarms": "an alarm was seen",
    "region.AlarmService.ClearAlarms": "an alarm is over",
    "region.AlarmService.ReportAlarm": "a later event of an alarm is how it stands now",
    "region.BulletinService.ReadBulletin": "a member of staff has read a bulletin",
    "region.BulletinService.WithdrawBulletin": "a bulletin is withdrawn",
    "region.CustomerService.SetContactPreferences": "which contacts are permitted from now on; the id is a code's",
    "region.CustomerService.UpdateCustomer": "what the mask names is changed",
    "region.DocumentService.WithdrawDocument": "a document counts no more",
    "region.ErasureService.RestrictCustomer": "a customer is stored only",
    "region.ErasureService.LiftRestriction": "a customer is no longer stored only",
    "region.FollowedProblemService.FollowProblem": "a higher version of a problem is how it stands now",
    "region.FollowedProblemService.ConfirmFollowedProblem": "a state of a problem is confirmed, or is so already",
    "region.FollowedProblemService.BindLines": "a line and a service are bound, or are so already",
    "region.FollowedProblemService.UnbindLines": "a line and a service are bound no more",
    "region.ListenerService.RegisterListener": "a listener is known by its content",
    "region.ListenerService.RemoveListener": "a listener is no longer registered",
    "region.QualityService.JudgeSampledRecord": "a record is judged once, and another judgement refused",
    "region.ReconciliationService.CompareDay": "a day is compared as it stands now",
    "region.RetentionService.HoldCustomer": "the same reference moves the end of a hold",
    "region.RetentionService.ReleaseHold": "a hold is over",
    "region.SupportResourceService.KeepExpert": "how an expert is entered from now on",
    "region.SupportResourceService.RemoveExpert": "an expert is no longer entered",
    "region.SupportResourceService.KeepResource": "how much is lent from now on",
    "region.SupportResourceService.RemoveResource": "a resource is no longer entered",
    "region.SupportResourceService.KeepSpare": "how many are in store from now on",
    "region.SupportResourceService.RemoveSpare": "a part is no longer entered",
    "region.CustomerMoveService.ConfirmMove": "a move is confirmed once",
    "region.CustomerMoveService.CancelMove": "a move is cancelled, or is so already",
    "region.SurveyService.InviteToSurvey": "a finished order, complaint or repair is asked about once",
    "region.SurveyService.AnswerSurvey": "a token is answered once, and another answer refused",
    "region.SurveyService.StartSurveyCampaign": "a customer is invited once by the name of a campaign",
    "region.SurveyService.FinishSurveyFollowUp": "a follow-up ends once",
    "region.VerificationService.SendCode": "names the request that a code is for; a new code ends the one before",
    "region.VerificationService.Verify": "names the request that a code is for; a code is used up",
    "region.VerificationService.ChangePassword": "names the request that a code is for; a code is used up",
    "relay.RelayService.Deliver": "an envelope's id is signed with its content; test_envelopes.py shows it",
    "region.AnomalyService.AcknowledgeAnomaly": "an anomaly is acknowledged once",
    "region.ApprovalService.SetOperatorScope": "a scope is in force from now on, or is so already",
    "region.QuarantineService.GiveUpQuarantinedWork": "work is decided once",
    "region.QuarantineService.ReplayQuarantinedWork": "work is decided once",
    "region.RecoveryService.AcceptLoss": "a loss is accepted once",
    "region.RecoveryService.ConfirmClock": "a clock is confirmed while it is not settled",
}

CUSTOMER: Fields = {
    "id": "customer-ID",
    "name": "Li Wei",
    "product": {
        "id": "product-ID",
        "number": "FREE",
        "plan_id": "guangdong-39",
        "status": "PRODUCT_STATUS_ACTIVE",
        "start_time": "2025-01-01T00:00:00Z",
    },
    "billing_account": {"id": "account-ID", "balance": {"minor_units": 5000, "currency": "CNY"}},
}
USAGE: Fields = {"id": "ID", "number": "NUMBER", "kind": "USAGE_KIND_CALL", "quantity": 60, "usage_time": "NOW"}
FILE: Fields = {"sha256": "SHA", "lines": 2, "requester": WHO}


def other(fields: Fields, **changes: object) -> Fields:
    return {**fields, **changes}


EXPENSIVE = other(CUSTOMER, billing_account={"id": "account-ID", "balance": {"minor_units": 7000, "currency": "CNY"}})
ALARM: Fields = {
    "external_id": "ID",
    "state": "ALARM_STATE_RAISED",
    "event_time": "NOW",
    "alarmed_object": {"link": "chengdu-guangzhou-1"},
    "alarm_type": "ALARM_TYPE_COMMUNICATIONS",
    "perceived_severity": "PERCEIVED_SEVERITY_MAJOR",
    "probable_cause": "lossOfSignal",
}
MEASURED: Fields = {"link": "chengdu-guangzhou-1", "start_time": "NOW", "window_seconds": 60, "delay_us": "5"}
COMPLAINT: Fields = {
    "external_id": "ID",
    "request": other(
        ASKED_ONCE["region.ComplaintService.FileComplaint"]["complaint"],  # type: ignore[arg-type]
        description="too much was charged",
    ),
    "filed_time": "NOW",
}
SUBMITTED = ASKED_ONCE["region.OrderService.SubmitOrder"]["order"]
IMPACT: Fields = {
    "id": "ID",
    "purpose": "x",
    "necessity": "x",
    "effect": "x",
    "protection": "x",
    "assessor": "li",
    "assess_time": "NOW",
}
UPLOAD: Fields = {
    "request_id": "ID",
    "number": "NUMBER",
    "code": "ID_ORIG",
    "media_type": "image/png",
    "size": 8,
    "sha256": "SHA",
    "verify_time": "NOW",
    "requester": WHO,
}
FILED: Fields = {
    "request_id": "ID",
    "ticket_id": "TICKET_ID",
    "name": "a.png",
    "media_type": "image/png",
    "size": 8,
    "sha256": "SHA",
    "requester": WHO,
}
CONSENT: Fields = {
    "request_id": "ID",
    "number": "NUMBER",
    "reader": "henan",
    "purpose": "counter-service",
    "decision": "CONSENT_DECISION_DECLINED",
    "paper": "guangdong/counter/paper",
}
# RPCs with other ids of callers: the messages of one content, and those of another one under the same id.
OTHERWISE: Mapping[str, tuple[Sequence[Fields], Sequence[Fields]]] = {
    "region.AlarmService.SendAlarms": (
        [{"source": "ID"}, {"first_sequence": 1, "reports": [ALARM]}],
        [{"source": "ID"}, {"first_sequence": 1, "reports": [other(ALARM, probable_cause="fire")]}],
    ),
    "region.AttachmentService.AttachFile": ([{"attachment": FILED}], [{"attachment": other(FILED, name="b.png")}]),
    "region.BillingService.RecordUsage": ([{"usage": [USAGE]}], [{"usage": [other(USAGE, quantity=61)]}]),
    "region.ComplaintImportService.ImportComplaints": (
        [{"file": FILE}, {"lines": [{"number": 2, "complaint": COMPLAINT}]}],
        [
            {"file": other(FILE, sha256="ANOTHER")},
            {"lines": [{"number": 2, "complaint": other(COMPLAINT, first_response_time="NOW")}]},
        ],
    ),
    "region.CustomerService.BatchCreateCustomers": ([{"customers": [CUSTOMER]}], [{"customers": [EXPENSIVE]}]),
    "region.CustomerService.ImportCustomers": (
        [{"file": FILE}, {"lines": [{"number": 2, "customer": CUSTOMER}]}],
        [{"file": other(FILE, sha256="ANOTHER")}, {"lines": [{"number": 2, "customer": EXPENSIVE}]}],
    ),
    "region.DocumentService.UploadDocument": ([{"document": UPLOAD}], [{"document": other(UPLOAD, sha256="ANOTHER")}]),
    "region.ErasureService.EraseCustomer": (
        [{"request_id": "ID", "number": "ERASED", "reason": "ERASURE_REASON_REQUESTED"}],
        [{"request_id": "ID", "number": "NUMBER", "reason": "ERASURE_REASON_REQUESTED"}],
    ),
    "region.MeasurementService.SendMeasurements": (
        [{"source": "ID"}, {"first_sequence": 1, "measurements": [MEASURED]}],
        [{"source": "ID"}, {"first_sequence": 1, "measurements": [other(MEASURED, delay_us="6")]}],
    ),
    "region.OrderService.SubmitOrders": (
        [{"request_id": "ID", "order": SUBMITTED}],
        [{"orders": [{"request_id": "ID", "order": other(SUBMITTED, characteristics={"amount": "701"})}]}],  # type: ignore[arg-type]
    ),
    "region.RetentionService.RecordImpact": ([{"record": IMPACT}], [{"record": other(IMPACT, purpose="y")}]),
    "region.SharingService.GiveConsent": ([CONSENT], [other(CONSENT, reader="sichuan")]),
    "region.SharingService.WithdrawConsent": (
        [{"request_id": "ID", "number": "NUMBER", "reader": "henan", "paper": "guangdong/counter/paper"}],
        [{"request_id": "ID", "number": "NUMBER", "reader": "sichuan", "paper": "guangdong/counter/paper"}],
    ),
}
