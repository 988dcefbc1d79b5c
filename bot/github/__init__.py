"""GitHub: what it sends (no I/O) and the calls we make, in our own types."""
