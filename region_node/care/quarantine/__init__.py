"""Work that failed again and again, and waits for people: notices, and the decisions to replay it or to give it up."""
