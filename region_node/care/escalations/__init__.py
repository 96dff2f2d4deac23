"""The escalation recipients are told of the levels that this region has raised complaints to."""
