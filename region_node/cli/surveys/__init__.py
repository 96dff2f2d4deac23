"""Surveys: invitations, answers, follow-ups, and their results as a table or a page."""
