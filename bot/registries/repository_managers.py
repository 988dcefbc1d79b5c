"""What repository managers say when they refuse a write, whatever client shows their words. Pure data.

Sources: Sonatype Nexus, JFrog Artifactory, Azure Artifacts, GitLab, Gitea and Forgejo, Cloudsmith, AWS CodeArtifact,
Verdaccio. They serve many formats and put the reason behind a status that says little: 400, 403 or 409.
"""

from __future__ import annotations

# The version is there, and the repository replaces none.
EXISTS = (
    r"(?i)repository does not allow (?:updating|redeploy)|(?:assets?|artifacts?) (?:cannot|can not|may not) be updated",
    r"(?i)(?:does not allow|disallows?|not allowed to|cannot be|can't be|cannot) (?:redeploy|overwr[io]t)\w*",
    r"(?i)permissions? to (?:delete/)?overwrite (?:the )?artifact|user '[^']*' needs DELETE permission",
    r"(?i)\bfeed\b[^\n]{0,80}already contains (?:file|package|version)",
    r"(?i)this package is already present|duplicates the attributes of (?:one or more )?other packages",
    r"(?i)\b(?:package|file|version)(?: version| file| name)?(?: with the same name)? already exists\b",
    r"(?i)\b(?:file |package |version )?name has already been taken\b",
    r"(?i)ConflictException[^\n]{0,80}already exists",
)
