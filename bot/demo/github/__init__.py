"""A GitHub that runs on this machine: REST, the log blob host, and webhooks sent as GitHub sends them."""

from bot.demo.github.github import GitHub
from bot.demo.github.world import Job, Run, Step, job_from_log

__all__ = ["GitHub", "Job", "Run", "Step", "job_from_log"]
