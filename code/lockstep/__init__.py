"""lockstep: keeps prose and the results it speaks of in step. Knows nothing of machine learning."""
