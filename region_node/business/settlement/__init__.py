"""The monthly settlement between two regions: charges, a statement, and two signatures."""
