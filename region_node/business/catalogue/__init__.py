"""The catalogue of businesses: their requirements and their costs."""
