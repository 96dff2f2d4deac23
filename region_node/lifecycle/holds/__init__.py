"""Legal holds: data kept for an authority or a court, here and in other regions."""
