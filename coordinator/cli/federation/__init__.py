"""Commands that administer the federation."""
