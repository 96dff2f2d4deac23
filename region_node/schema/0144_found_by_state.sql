-- Indexes for conditions of lists, which would read these tables from end to end otherwise.
CREATE INDEX known_statuses_restricted ON known_statuses (number_index) WHERE status = 2;
CREATE INDEX issues_state ON issues (state, owner_region);
