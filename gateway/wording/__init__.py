"""Texts for people: language, words, terms, times in a zone, masks."""
