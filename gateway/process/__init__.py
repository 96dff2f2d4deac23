"""A process on its machine: files, logs, traces, metrics, start, fail points."""
