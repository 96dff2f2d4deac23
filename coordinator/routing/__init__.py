"""Envelopes on their way from region to region."""
