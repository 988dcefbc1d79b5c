"""`python -m tests.bench`: how fast the bot is on this machine, beside something simple that sets the measure.

Figures are worth comparing within one run only: the bare handler, `grep` and the stand-ins run on the same machine at
the same time of day, so that their ratios travel and the absolute numbers need not.
"""
