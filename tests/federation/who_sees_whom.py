"""Who sees whom: the outcome of each RPC that shows personal data, by identity and kind of customer."""

from collections.abc import Mapping

# Clear; only its masked form; nothing that tells it from a number that nobody has; or the reason of the refusal.
SHOWN, MASKED, NOTHING = "shown", "masked", "nothing"
DENIED, NO_CONNECTION = "PERMISSION_DENIED", "no connection"
CASES = ("own", "granted", "withdrawn", "expired", "other purpose", "other region's", "not existing")

IDENTITIES = {
    "own operator": "region/guangdong/operator/counter",
    "own staff": "region/guangdong/staff/reviewer-1",
    "other region's operator": "region/henan/operator/counter",
    "other region's staff": "region/henan/staff/reviewer-1",
    "own region": "region/guangdong",
    "other region": "region/henan",
    "coordinator": "coordinator/0",
    "administrator": "admin/root",
    "provider": "region/guangdong/provider/messaging",
    "expired": "",
    "unknown": "",
}


def row(*outcomes: str) -> dict[str, str]:
    """The outcome of each case, in the order of CASES; a single outcome stands for all."""
    return dict(zip(CASES, outcomes if len(outcomes) > 1 else outcomes * len(CASES), strict=True))


# What comes of it where the identity may call at all; nobody but the own operator and the own staff may.
OPERATOR: Mapping[str, Mapping[str, str]] = {
    # own, granted, withdrawn, expired, other purpose, other region's, not existing
    "ReadSharedCustomer": row(SHOWN, SHOWN, MASKED, MASKED, MASKED, NOTHING, NOTHING),
    "ReadSharedCustomers": row(SHOWN, SHOWN, MASKED, MASKED, MASKED, NOTHING, NOTHING),
    "ListGrants": row("NOT_VERIFIED"),
    "ListDisclosures": row("NOT_VERIFIED"),
    "GetCustomer": row(SHOWN, *["CUSTOMER_NOT_FOUND"] * 6),
    "GetContactPreferences": row(NOTHING, *["CUSTOMER_NOT_FOUND"] * 6),
    "ListCustomers": row(SHOWN, *[NOTHING] * 6),
    "QueryProfile": row("NOT_VERIFIED"),
    "QueryBill": row("NOT_VERIFIED"),
    "QueryBills": row("NOT_VERIFIED"),
    "ListMoves": row(NOTHING),
    "ListNotices": row(SHOWN, *[NOTHING] * 6),
    "GetOrder": row(SHOWN, *["ORDER_NOT_FOUND"] * 6),
    # Evidence for third parties is given out by staff alone.
    "GetOrderProof": row(DENIED),
    "ListOrders": row(SHOWN, *[NOTHING] * 6),
    "WatchOrders": row(SHOWN, *[NOTHING] * 6),
    # What is on file is shown to every region with a data agreement, so that nobody is asked for papers twice.
    "ListDocuments": row(*[SHOWN] * 6, NOTHING),
    "CheckDocuments": row(*[SHOWN] * 6, NOTHING),
    "GetDocumentContent": row(SHOWN, *["DOCUMENT_CONTENT_DENIED"] * 6),
    "GetComplaint": row(SHOWN, *["COMPLAINT_NOT_FOUND"] * 6),
    "ListComplaints": row(SHOWN, *[NOTHING] * 6),
    "WatchComplaint": row(SHOWN, *["COMPLAINT_NOT_FOUND"] * 6),
    "GetAttachmentContent": row(SHOWN, *["COMPLAINT_NOT_FOUND"] * 6),
    "GetFault": row(SHOWN, *["FAULT_NOT_FOUND"] * 6),
    "ListFaults": row(SHOWN, *[NOTHING] * 6),
    "WatchFaults": row(SHOWN, *["FAULT_NOT_FOUND"] * 6),
    "GetAgreement": row(SHOWN, *["AGREEMENT_NOT_FOUND"] * 6),
    "ListAgreements": row(SHOWN, *[NOTHING] * 6),
    "GetStatement": row("STATEMENT_NOT_FOUND", *["AGREEMENT_NOT_FOUND"] * 6),
    "GetSupportRequest": row(SHOWN, *["SUPPORT_REQUEST_NOT_FOUND"] * 6),
    "ListSupportRequests": row(SHOWN, *[NOTHING] * 6),
    # Nobody has given a low mark here.
    "ListSurveyFollowUps": row(DENIED),
    # Each has an item in this region, and was submitted in another one.
    "GetJointOrder": row(SHOWN, *["JOINT_ORDER_NOT_FOUND"] * 6),
    "ListJointOrders": row(SHOWN, *[NOTHING] * 6),
    "WatchJointOrder": row(SHOWN, *["JOINT_ORDER_NOT_FOUND"] * 6),
    # What goes to the regulator is for staff of the first contact alone.
    "ExportDossier": row(DENIED),
}
STAFF: Mapping[str, Mapping[str, str]] = {
    "ExportDossier": row(SHOWN, *["COMPLAINT_NOT_FOUND"] * 6),
    "ListSurveyFollowUps": row(NOTHING),
    # The order of the own customer has not left the region.
    "GetOrderProof": row("ORDER_NOT_PROVEN", *["ORDER_NOT_FOUND"] * 6),
    "GetJointOrder": row(*[SHOWN] * 6, "JOINT_ORDER_NOT_FOUND"),
    "ListJointOrders": row(*[SHOWN] * 6, NOTHING),
    "WatchJointOrder": row(*[SHOWN] * 6, "JOINT_ORDER_NOT_FOUND"),
    # The request names another member of staff.
    "QueryBill": row("STAFF_DIFFERS"),
} | {
    rpc: OPERATOR[rpc]
    for rpc in (
        "ReadSharedCustomer",
        "ListGrants",
        "ListDisclosures",
        "GetContactPreferences",
        "GetCustomer",
        "GetOrder",
        "ListOrders",
        "WatchOrders",
        "ListNotices",
        "ListDocuments",
        "GetComplaint",
        "ListComplaints",
        "WatchComplaint",
        "GetAttachmentContent",
        "GetFault",
        "ListFaults",
        "WatchFaults",
        "GetAgreement",
        "ListAgreements",
        "GetStatement",
        "GetSupportRequest",
        "ListSupportRequests",
    )
}
