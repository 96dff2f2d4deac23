-- The last signed act of administrators of each kind on a record: one that was signed before it is refused.
CREATE TABLE administrator_acts (
    action    TEXT    NOT NULL,
    subject   TEXT    NOT NULL,
    sign_time INTEGER NOT NULL,            -- by the administrator's clock, in microseconds since 1970
    PRIMARY KEY (action, subject)
);
