"""Commands about customers, their documents, and who may see what of them."""
