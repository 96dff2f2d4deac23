"""Documents of customers: verified once, in any region, kept there sealed, registered at home and used everywhere."""
