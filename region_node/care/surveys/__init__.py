"""Surveys of customers' satisfaction (specification 2.4), kept by the home region of the customer."""
