-- Other contacts of a customer, sealed: telephone numbers to which a code may go instead of the line.
CREATE TABLE other_contacts (
    customer_id TEXT NOT NULL PRIMARY KEY,
    sealed      BLOB NOT NULL
);
