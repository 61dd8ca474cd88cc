"""What people are told: check, why, diff, reproduce."""
