"""Beside the engine: other engines on the same weights, what HTTP costs, many replicas, kernels, cost."""
