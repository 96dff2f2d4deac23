-- Invitations of this region's customers to a survey, and their answers.
CREATE TABLE surveys (
    survey_id     TEXT    NOT NULL PRIMARY KEY,
    customer_id   TEXT    NOT NULL REFERENCES customers,
    token         TEXT    NOT NULL UNIQUE,
    invite_time   INTEGER NOT NULL,
    follow_up_due INTEGER,               -- while a follow-up is open
    sealed        BLOB    NOT NULL
);
CREATE INDEX surveys_of_customer ON surveys (customer_id, invite_time);
CREATE INDEX surveys_in_order ON surveys (invite_time, survey_id);
CREATE INDEX surveys_followed_up ON surveys (follow_up_due, survey_id) WHERE follow_up_due IS NOT NULL;

-- Counts by the month of the invitation and by who handled the occasion: of invitations, answers and marks.
CREATE TABLE survey_counts (
    month    TEXT    NOT NULL,
    region   TEXT    NOT NULL,
    business TEXT    NOT NULL,
    channel  TEXT    NOT NULL,
    question INTEGER NOT NULL,
    mark     INTEGER NOT NULL,
    answers  INTEGER NOT NULL,
    PRIMARY KEY (month, region, business, channel, question, mark)
);

-- The last event of each kind of record that surveys have looked at.
CREATE TABLE survey_feeds (
    kind     TEXT    NOT NULL PRIMARY KEY,
    sequence INTEGER NOT NULL
);
