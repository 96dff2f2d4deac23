"""Losses of a region's database: they are found, named, kept from doing harm, and accepted by people."""
