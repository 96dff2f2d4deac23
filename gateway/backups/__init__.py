"""Backups of a program's database: consistent copies in an encrypted repository, and databases made of them again."""
