"""Cases of complaints: what coordinators hold of them, and who is to answer what nobody has."""
