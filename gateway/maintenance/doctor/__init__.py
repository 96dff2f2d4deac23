"""What `doctor` looks at: certificates, clocks, disk, port, peers and database of a process that runs, or does not."""
