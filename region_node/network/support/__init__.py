"""Support of enterprises: requests about network services, and the experts and spares of all regions."""
