"""What the parts do when they are measured: metrics, estimates, indexes and feedback loops against known truths."""
