"""TM Forum's Open APIs, as the node serves them: tables of routes, and pure mappings onto the RPCs."""
