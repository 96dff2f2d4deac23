-- What a line was, and from when: its rent depends on it. A line without a row is as its product says since its start.
CREATE TABLE line_states (
    product_id      TEXT    NOT NULL,
    time            INTEGER NOT NULL,
    status          INTEGER NOT NULL,
    suspension_kind INTEGER NOT NULL,
    plan_id         TEXT    NOT NULL,
    PRIMARY KEY (product_id, time)
);

-- Calls, messages and use of data (TMF635 Usage). `month` (YYYY-MM) is the cycle in which it is charged.
CREATE TABLE usage_records (
    usage_id     TEXT    NOT NULL PRIMARY KEY,
    product_id   TEXT    NOT NULL,
    account_id   TEXT    NOT NULL,
    month        TEXT    NOT NULL,
    kind         INTEGER NOT NULL,
    usage_date   INTEGER NOT NULL,
    quantity     INTEGER NOT NULL,
    other_number TEXT    NOT NULL
);
CREATE INDEX usage_line ON usage_records (product_id, month);
CREATE INDEX usage_account ON usage_records (account_id, month, usage_date);
CREATE INDEX usage_month ON usage_records (month);

-- One bill of an account and month. Nothing of it changes but `settled`: 1 once it was found paid after its due date.
CREATE TABLE bills (
    account_id  TEXT    NOT NULL,
    month       TEXT    NOT NULL,
    total       INTEGER NOT NULL,
    payment_due INTEGER,            -- NULL for prepaid lines and where there is nothing to pay
    abnormal    INTEGER NOT NULL,
    settled     INTEGER NOT NULL,
    PRIMARY KEY (account_id, month)
);
CREATE INDEX bills_month ON bills (month);
CREATE INDEX bills_open ON bills (account_id, payment_due) WHERE settled = 0;

-- What a bill charges each line for, with its evidence in the unit of the kind.
CREATE TABLE bill_lines (
    account_id TEXT    NOT NULL,
    month      TEXT    NOT NULL,
    product_id TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    amount     INTEGER NOT NULL,
    quantity   INTEGER NOT NULL,
    allowance  INTEGER NOT NULL,
    rate       INTEGER NOT NULL,
    PRIMARY KEY (account_id, month, product_id, kind)
);

-- How far the procedure against an account in arrears has come.
CREATE TABLE arrears (
    account_id  TEXT NOT NULL PRIMARY KEY,
    warned      INTEGER,            -- told that its lines will be suspended
    suspended   INTEGER,
    last_warned INTEGER             -- told that its lines will be terminated
);

-- How far the runs have come: the period that comes next, and after which account it goes on.
CREATE TABLE billing_runs (
    run    TEXT NOT NULL PRIMARY KEY,
    period TEXT NOT NULL,
    after  TEXT NOT NULL
);

CREATE INDEX products_account ON products (account_id);
