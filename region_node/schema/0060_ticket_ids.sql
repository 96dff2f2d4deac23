-- Columns and tables have the names of the contract.
ALTER TABLE cases_to_tell RENAME COLUMN docket TO ticket_id;
ALTER TABLE complaint_escalations RENAME COLUMN docket TO ticket_id;
ALTER TABLE complaint_events RENAME COLUMN docket TO ticket_id;
ALTER TABLE complaint_figures RENAME COLUMN docket TO ticket_id;
ALTER TABLE complaint_index RENAME COLUMN docket TO ticket_id;
ALTER TABLE complaint_private_notes RENAME COLUMN docket TO ticket_id;
ALTER TABLE complaint_tellings RENAME COLUMN docket TO ticket_id;
ALTER TABLE complaints RENAME COLUMN docket TO ticket_id;
ALTER TABLE complaints RENAME COLUMN docket_number TO ticket_number;
ALTER TABLE document_files RENAME COLUMN docket TO ticket_id;
ALTER TABLE improvement_actions RENAME COLUMN docket TO ticket_id;
ALTER TABLE purged_dockets RENAME COLUMN docket_number TO ticket_number;
ALTER TABLE purged_dockets RENAME TO purged_tickets;
