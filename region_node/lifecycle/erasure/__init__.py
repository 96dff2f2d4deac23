"""The end of a customer: restriction, erasure, and repeated erasure after a restored backup."""
