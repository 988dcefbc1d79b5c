"""What fails with the words of a refusal and is no publish: deployments, reports, calls of services, tests."""

from __future__ import annotations

from tests.publish_outputs import INDEX, Steps

_INSTALLED = ("npm ci", "\nadded 906 packages, and audited 907 packages in 15s")
ELSEWHERE: dict[str, Steps] = {
    "a cluster": (_INSTALLED, ("kubectl apply -f k8s/", "error: You must be logged in to the server (Unauthorized)")),
    "a bucket": (
        _INSTALLED,
        (
            "aws s3 cp out.tgz s3://releases/",
            "upload failed: ./out.tgz to s3://releases/out.tgz An error occurred (ExpiredToken) when calling the "
            "PutObject operation: The provided token has expired.",
        ),
    ),
    "a server": (
        _INSTALLED,
        ("rsync -az dist/ deploy@web-1:/srv/www/", "deploy@web-1: Permission denied (publickey).\nrsync error: 255"),
    ),
    "a call": (
        _INSTALLED,
        ("curl -fsS https://api.example.com/v1/deploys", "curl: (22) The requested URL returned error: 401"),
    ),
    "an analysis": (
        _INSTALLED,
        ("sonar-scanner", "ERROR Not authorized. Please check the user token in the property 'sonar.token'."),
    ),
    "coverage": (
        _INSTALLED,
        ("codecov upload-process", "Error: Codecov: Failed to properly upload: 401 Unauthorized"),
    ),
    "a scan": (
        _INSTALLED,
        ("snyk test", "The authentication token is missing or invalid. Status: 401 Unauthorized"),
    ),
    "an audit": (
        _INSTALLED,
        (
            "npm audit",
            "npm error audit endpoint returned an error\n"
            "npm error 403 Forbidden - POST https://registry.npmjs.com/-/npm/v1/security/advisories/bulk",
        ),
    ),
    "a site": (_INSTALLED, ("vercel deploy --prod", "Error: The specified token is not valid. Use `vercel login`.")),
    "a schema": (
        _INSTALLED,
        ("npx rover graph publish my-graph@prod", "error: The current operation requires authentication: Unauthorized"),
    ),
    "an app": (
        (
            "./gradlew publishReleaseBundle",
            "> Task :app:publishReleaseBundle FAILED\n* What went wrong:\n> 401 Unauthorized",
        ),
    ),
    "a database": (
        _INSTALLED,
        ("npx prisma migrate deploy", "Authentication failed against database server: invalid credentials."),
    ),
    "tests in Go": (
        (
            "go test ./...",
            "--- FAIL: TestPush (0.01s)\n    push_test.go:12: denied: requested access to the resource is denied\nFAIL",
        ),
    ),
    "tests in Python": (
        (
            "pytest",
            "E   HTTPError: 403 Client Error: Invalid or non-existent authentication information. for url: "
            f"https://upload.{INDEX}/legacy/\nFAILED tests/test_upload.py::test_x\n=== 1 failed in 1.2s ===",
        ),
    ),
}
