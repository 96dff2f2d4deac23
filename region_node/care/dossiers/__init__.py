"""The regulator's dossier of a complaint: its whole record, and the conditions of an appeal."""
