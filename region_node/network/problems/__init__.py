"""Problems of the network: telling coordinators of alarms and faults, and following what is found behind them."""
