"""Where the outside world comes in: short functions without SQL, patterns or blocks."""
