"""The core: what a request means, without any web framework."""
