"""The means to run a federation: its data, the demo, and processes on one machine."""
