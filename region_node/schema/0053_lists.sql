-- What a list is narrowed by has an index in the order of the list; what one complaint's watch catches up by, too.
CREATE INDEX orders_business ON orders (business, order_date, order_id);
CREATE INDEX complaints_category ON complaints (category, creation_date, docket);
CREATE INDEX complaint_events_of ON complaint_events (docket, sequence);
