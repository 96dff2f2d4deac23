"""The checks of `doctor`: certificates, clocks, disk, port, peers and database of a running or stopped process."""
