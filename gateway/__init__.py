"""The fabric: gRPC, borders, time and trust. It knows no customer, order or complaint."""
