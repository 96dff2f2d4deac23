"""Legal holds: what is kept for an authority or a court, here and in other regions."""
