"""What goes to the regulator with a complaint: all that is known of it, and whether an appeal would be accepted."""
