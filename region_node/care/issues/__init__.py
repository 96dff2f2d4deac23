"""Issues between regions: one region decides, others help, and every action is tracked to its end."""
