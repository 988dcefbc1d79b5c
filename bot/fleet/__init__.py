"""The fleet: what in an organisation publishes with which credential, what breaks when, and what will break next."""
