"""Work that failed again and again: people are told, look at it, have it tried again or give it up."""
