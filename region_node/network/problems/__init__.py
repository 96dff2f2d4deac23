"""Network problems: reporting alarms and faults to coordinators, and following the problems found from them."""
