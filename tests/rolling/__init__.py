"""Load runs while every process of the production shape is replaced, one at a time."""
