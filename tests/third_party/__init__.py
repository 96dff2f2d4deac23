"""What programs of others find at the Open APIs of a real node, and the tables that tell it."""
