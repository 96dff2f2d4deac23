"""The federation configuration: its files, its rules, and the view for look-ups."""
