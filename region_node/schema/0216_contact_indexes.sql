-- The keyed hash of the number of the contact, by which lists select; empty for none, and once the number's customer is
-- erased. NULL: a version without the column has written the row, and the loop of row fills has still to look at it.
ALTER TABLE complaints ADD COLUMN contact_index TEXT;
ALTER TABLE faults ADD COLUMN contact_index TEXT;
CREATE INDEX complaints_contact ON complaints (contact_index, create_time, ticket_id) WHERE contact_index <> '';
CREATE INDEX faults_contact ON faults (contact_index, create_time, fault_id) WHERE contact_index <> '';
CREATE INDEX complaints_without_contact_index ON complaints (ticket_id) WHERE contact_index IS NULL;
CREATE INDEX faults_without_contact_index ON faults (fault_id) WHERE contact_index IS NULL;
