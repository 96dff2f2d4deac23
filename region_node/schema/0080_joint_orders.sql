-- Joint orders that this region leads or follows. `body` is the order, sealed under the key of `joint/<id>`; the other
-- columns are for finding it and tell nothing about a person.
CREATE TABLE joint_orders (
    joint_order_id TEXT    NOT NULL PRIMARY KEY,
    joint_number   INTEGER NOT NULL,   -- counts those that this region leads; 0 for those of others
    origin_region  TEXT    NOT NULL,   -- the leading region
    operator       TEXT    NOT NULL,
    number_index   TEXT    NOT NULL,   -- keyed hash of the number
    state          INTEGER NOT NULL,
    version        INTEGER NOT NULL,
    create_time    INTEGER NOT NULL,
    changed        INTEGER NOT NULL,   -- when it was stored last
    traceparent    TEXT    NOT NULL,
    body           BLOB    NOT NULL
);
CREATE INDEX joint_orders_date ON joint_orders (create_time, joint_order_id);
CREATE INDEX joint_orders_number ON joint_orders (number_index, create_time);
CREATE INDEX joint_orders_led ON joint_orders (joint_number);

-- The highest number of a joint order that was purged, from which the next one is numbered.
CREATE TABLE purged_joint_orders (
    id           INTEGER NOT NULL PRIMARY KEY,
    joint_number INTEGER NOT NULL
);

-- The items of this region, as it has them; `body` is sealed under the key of the order.
CREATE TABLE joint_items (
    joint_item_id  TEXT    NOT NULL PRIMARY KEY,   -- `<joint order>/<item>`
    joint_order_id TEXT    NOT NULL,
    state          INTEGER NOT NULL,
    version        INTEGER NOT NULL,
    create_time    INTEGER NOT NULL,
    traceparent    TEXT    NOT NULL,
    body           BLOB    NOT NULL
);
CREATE INDEX joint_items_order ON joint_items (joint_order_id);
