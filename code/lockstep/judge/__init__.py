"""Does it still stand: which runs are fresh, what they measured, which claims hold. Reads, and runs nothing."""
