"""The console of the coordinator: pages for administrators in a browser, made of its RPCs."""
