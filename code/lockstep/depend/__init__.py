"""What a run depends on: source is read and followed, what ran is watched, what was not declared is refused."""
