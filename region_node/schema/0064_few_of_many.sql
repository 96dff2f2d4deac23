-- Lists across regions are mostly of complaints that have not ended and of orders that are held: little of all there is.
CREATE INDEX complaints_open ON complaints (create_time, ticket_id) WHERE state NOT IN (2, 6, 8);
CREATE INDEX orders_held_since ON orders (create_time, order_id) WHERE state = 4;
