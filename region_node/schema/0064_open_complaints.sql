-- Lists across regions are mostly of what has not ended, and that is little of all that there is.
CREATE INDEX complaints_open ON complaints (create_time, ticket_id) WHERE state NOT IN (2, 6, 8);
