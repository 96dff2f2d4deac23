"""The reads of operators and staff that show no personal data, and their content."""

SHOWS_NOBODY = {
    "AlarmService": "what is wrong with equipment, in codes",
    "CatalogueService": "what can be had and handled",
    "BillingService.ListSettlements": "what regions owe each other",
    "DocumentService.GetDocumentReuse": "counts of orders",
    "SharingService.ListPurposes": "what records are shared for",
    "FaultService.FindPlaces": "what there is of the network",
    "MeasurementService": "what was measured on links and services",
    "OrderEventService.StreamOrderEvents": "the ids and states of orders",
    "ErasureService.GetErasure": "the region's own id of a customer, and counts",
    "ImprovementService.ListImprovementActions": "what a region does about causes, of no customer",
    "BulletinService": "what regions tell each other, of no customer, and which staff has read it",
    "IssueService": "what regions settle between them; a link names the record, nothing names a customer",
    "FollowedProblemService": "problems of the network, and how many customers they affect",
    "PlannedOutageService.ListPlannedOutages": "when a region works on its network",
    "SupportResourceService": "experts by staff id, and parts in store",
    "ReconciliationService": "serials, states and amounts of records between regions",
    "SurveyService.GetSurveyResults": "counts of marks, without small groups",
    "RetentionService.ListPurges": "counts of rows",
    "RetentionService.ListHolds": "the region's own ids of customers",
    "RetentionService.ListImpactRecords": "what was assessed, of no customer",
}
