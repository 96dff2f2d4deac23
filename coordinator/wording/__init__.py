"""Words of a coordinator for administrators, in commands and on pages. Pure."""
