"""What customers are told, kept until the region's notification system has taken it."""
