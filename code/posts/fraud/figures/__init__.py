"""Drawings of the post."""
