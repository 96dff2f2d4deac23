-- Contacts that a customer permits beside the notices that law or contract demands; no row without a decision.
CREATE TABLE contact_preferences (
    customer_id    TEXT    NOT NULL PRIMARY KEY REFERENCES customers,
    marketing_time INTEGER,             -- of the consent to marketing; null without one
    quiet          INTEGER NOT NULL,    -- 1 on the quiet list
    no_surveys     INTEGER NOT NULL     -- 1 where surveys are refused
);
