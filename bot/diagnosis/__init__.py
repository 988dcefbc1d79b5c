"""Reading job logs: raw bytes in, one Diagnosis out. Pure, no I/O."""
