"""Cases of complaints: their headers at the coordinators, and the assignment of cases without an owner."""
