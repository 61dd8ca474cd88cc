"""The post fraud."""
