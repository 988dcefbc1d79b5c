"""Stand-ins for GitHub, Slack and the npm registry, the sandbox page, the scenario. Nothing else imports it."""
