"""Commands about the network's paths, problems and planned outages."""
