"""Improvement actions of a region against the causes of complaints."""
