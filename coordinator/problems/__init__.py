"""Problems of the network: one cause behind the alarms and faults of several regions."""
