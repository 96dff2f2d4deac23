-- Lists of few among very many: orders by the party for which they wait, orders and faults not in the state of most, and faults that are due.
-- SQLite fills a table at each write for a list of states in a condition, and none for a comparison.
CREATE INDEX orders_awaited ON orders (awaiting, create_time, order_id) WHERE awaiting <> 0;
CREATE INDEX orders_uncompleted ON orders (create_time, order_id) WHERE state <> 7;
CREATE INDEX faults_unclosed ON faults (create_time, fault_id) WHERE state <> 8;
CREATE INDEX faults_unrepaired ON faults (create_time, fault_id) WHERE due_time IS NOT NULL;
-- Erasures, retention, and ends of joint orders.
CREATE INDEX order_events_of ON order_events (order_id);
CREATE INDEX joint_order_ends_of ON joint_order_ends (joint_order_id);
CREATE INDEX identities_customer ON identities (customer_id);
CREATE INDEX documents_ended ON documents (COALESCE(withdraw_time, expire_time, verify_time), document_id);
CREATE INDEX document_files_verified ON document_files (create_time, document_id) WHERE ticket_id = '';
CREATE INDEX document_files_receiving ON document_files (create_time) WHERE state = 1;
