"""Guided rotations: which step may follow which, what proves a step, and the commands people paste."""
