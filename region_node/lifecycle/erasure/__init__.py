"""The end of a customer: restricted, erased, and kept erased whatever backup comes back."""
