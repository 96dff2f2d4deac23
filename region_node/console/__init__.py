"""The console of a region: pages for its staff in a browser, made of the RPCs of its node."""
