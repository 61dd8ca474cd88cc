"""The posts: one package per post, each a piece of machine-learning work done for real."""
