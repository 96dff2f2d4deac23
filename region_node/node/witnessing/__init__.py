"""The head of this region's audit chain at its witnesses, and of others' chains here."""
