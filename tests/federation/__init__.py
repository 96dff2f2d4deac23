"""A whole federation in one process: real servers, real certificates, real files."""
