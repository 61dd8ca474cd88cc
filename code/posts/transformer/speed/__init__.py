"""What a step of training and a search cost, beside others' code for the same work."""
