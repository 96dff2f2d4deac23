"""Commands about support requests, experts and spares."""
