"""The fabric: gRPC, borders, time and trust. The fabric depends on no customer, order or complaint."""
