"""HTML pages: the environment of their templates, the frame and the style of every page, tables and charts."""
