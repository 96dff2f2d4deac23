"""Parts of commands that both programs share."""
