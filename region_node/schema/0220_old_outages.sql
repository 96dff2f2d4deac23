-- Waived times by age, which the purge of each night reads, and outages by their source, which withdrawals read.
CREATE INDEX waived_times_end ON waived_times (end_time, product_id);
CREATE INDEX service_outages_source ON service_outages (source) WHERE agreement_id = '' AND withdrawn = 0;
