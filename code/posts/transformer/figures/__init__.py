"""Drawings of the post: the model, scores, speed, and the studies."""
