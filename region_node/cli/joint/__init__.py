"""The commands about joint orders."""
