-- Open work that `region_node/app/registered.py` counts: orders past their promised date, and joint orders.
CREATE INDEX orders_overdue ON orders (create_time, order_id) WHERE due_time IS NULL AND state NOT IN (2, 6, 7, 8, 9);
CREATE INDEX joint_orders_open ON joint_orders (create_time, joint_order_id) WHERE state NOT IN (4, 5, 6, 7);
