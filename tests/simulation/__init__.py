"""A whole federation in one process on virtual time, with everything random drawn from one seed."""
