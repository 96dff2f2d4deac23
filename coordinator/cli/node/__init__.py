"""Commands that run a coordinator and look after it."""
