"""A whole federation as real processes on the loopback of one machine: for the demo, the tests and the bench."""
