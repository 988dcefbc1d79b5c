"""Tokenwatch: hears that a publish failed, finds out why, tells the person who can act."""

__version__ = "0.1.0"
