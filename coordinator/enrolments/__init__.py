"""Enrolment of regions: invitations, certificate requests, and the decisions of administrators."""
