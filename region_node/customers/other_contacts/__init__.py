"""Other contacts of customers: telephone numbers to which the home region sends a code instead of the line."""
