"""The console of a process: pages for people in a browser, made of the RPCs of the process."""
