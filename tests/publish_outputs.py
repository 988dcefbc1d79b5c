"""What each client prints when its registry refuses a publish, with the steps before it: for tests of framings.

Texts: as the clients print them, cut to the lines that matter.
"""

from __future__ import annotations

from dataclasses import dataclass

INDEX = ".".join(("pypi", "org"))  # in pieces: no package index is named in our files

Steps = tuple[tuple[str, str], ...]  # command, output

_NODE: Steps = (
    ("npm ci", "npm warn deprecated uuid@3.4.0: Please upgrade\n\nadded 906 packages, and audited 907 packages in 15s"),
    (
        "npm test",
        "PASS src/session.test.ts\n  ✓ rejects with E403 when the role is missing (20 ms)\n"
        "npm error 401 Unauthorized - PUT http://localhost:4873/made-up\n\n"
        "Test Suites: 5 passed, 5 total\nTests:       55 passed, 55 total\nRan all test suites.",
    ),
)
_PYTHON: Steps = (
    ("python -m pip install build twine", "Successfully installed build-1.3.0 twine-6.2.0"),
    ("python -m pytest", "===== 52 passed in 3.20s ====="),
    ("python -m build", "Successfully built quorum_client-2.3.0.tar.gz and quorum_client-2.3.0-py3-none-any.whl"),
)
_PYPI = f"https://upload.{INDEX}/legacy/"
_DEAD = (
    f"Invalid or non-existent authentication information. See https://{INDEX}/help/#invalid-auth for more information."
)
_TARBALL = (
    "npm notice\nnpm notice 📦  @basalt/core@4.8.0\nnpm notice Tarball Contents\nnpm notice 1.8kB LICENSE\n"
    "npm notice name: @basalt/core\nnpm notice version: 4.8.0\n"
    "npm notice Publishing to https://registry.npmjs.com/ with tag latest and public access\n"
)
_NOT_FOUND = (
    _TARBALL + "npm error code E404\n"
    "npm error 404 Not Found - PUT https://registry.npmjs.com/@basalt%2fcore - Not found\n"
    "npm error 404  '@basalt/core@4.8.0' is not in this registry."
)
_JAR = "https://oss.sonatype.org/service/local/staging/deploy/maven2/com/dunnock/bench-lib/1.8.1/bench-lib-1.8.1.jar"


@dataclass(frozen=True, slots=True)
class Publish:
    """A job that publishes: its steps, what becomes of it, and the package as the registry spells it."""

    steps: Steps
    cause: str
    package: str | None


REFUSED = {
    "npm": Publish((*_NODE, ("npm publish --access public", _NOT_FOUND)), "no-access", "@basalt/core"),
    "npm by script": Publish(
        (*_NODE, ("npm run release", "\n> basalt@4.8.0 release\n> npm publish\n\n" + _NOT_FOUND)),
        "no-access",
        "@basalt/core",
    ),
    "npm without a verb": Publish(
        (
            *_NODE,
            ("npm publish", _TARBALL + "npm error code EAUTHIP\nnpm error Login is not allowed from your IP address"),
        ),
        "ip-not-allowed",
        "@basalt/core",
    ),
    "yarn": Publish(
        (
            *_NODE,
            (
                "yarn publish --non-interactive",
                "yarn publish v1.22.22\n[1/4] Bumping version...\ninfo Current version: 2.4.0\n[3/4] Publishing...\n"
                'error Couldn\'t publish package: "https://registry.npmjs.com/nutmeg-ui: Not found"',
            ),
        ),
        "no-access",
        "nutmeg-ui",
    ),
    "berry": Publish(
        (
            *_NODE,
            (
                "yarn npm publish",
                "➤ YN0000: package.json\n➤ YN0000: Package archive generated\n"
                "➤ YN0033: No authentication configured for request\n➤ YN0000: Failed with errors in 0s 900ms",
            ),
        ),
        "token-missing",
        None,
    ),
    "pnpm": Publish(
        (
            *_NODE,
            (
                "pnpm publish --no-git-checks",
                "📦 nutmeg-ui@2.4.0 → https://registry.npmjs.com/\n"
                "[E401] [E401] 401 Unauthorized - PUT https://registry.npmjs.com/nutmeg-ui",
            ),
        ),
        "token-rejected",
        "nutmeg-ui",
    ),
    "bun": Publish(
        (
            *_NODE,
            (
                "bun publish",
                "bun publish v1.3.4 (abc)\n\npacked 1.2KB package.json\nTotal files: 3\n"
                "401 Unauthorized: https://registry.npmjs.com/nutmeg-ui\n - bad token",
            ),
        ),
        "token-rejected",
        "nutmeg-ui",
    ),
    "lerna": Publish(
        (
            *_NODE,
            (
                "npx lerna publish from-package --yes",
                "lerna notice cli v8.1.9\nFound 1 package to publish:\n - @basalt/core => 4.8.0\n"
                "lerna info publish Publishing packages to npm...\nlerna notice 📦  @basalt/core@4.8.0\n"
                "lerna ERR! E404 Not Found - PUT https://registry.npmjs.com/@basalt%2fcore - Not found",
            ),
        ),
        "no-access",
        "@basalt/core",
    ),
    "changesets": Publish(
        (
            *_NODE,
            (
                "npx changeset publish",
                '🦋  info Publishing "@basalt/core" at "4.8.0"\n'
                "🦋  error an error occurred while publishing @basalt/core: E404 Not Found - PUT "
                "https://registry.npmjs.com/@basalt%2fcore - Not found\n"
                "🦋  error packages failed to publish:\n🦋  @basalt/core@4.8.0",
            ),
        ),
        "no-access",
        "@basalt/core",
    ),
    "release-it": Publish(
        (
            *_NODE,
            (
                "npx release-it --ci",
                "🚀 Let's release basalt (4.7.0...4.8.0)\n✔ npm version\n✔ Git tag (v4.8.0)\n✔ Git push\n"
                "npm error code EOTP\nnpm error This operation requires a one-time password.\n"
                "ERROR Command failed with exit code 1: npm publish . --tag latest",
            ),
        ),
        "otp-required",
        "basalt",
    ),
    "rush": Publish(
        (
            *_NODE,
            (
                "node common/scripts/install-run-rush.js publish --publish",
                '\nRush Multi-Project Build Tool 5.158.1 - https://rushjs.io\n\nStarting "rush publish"\n\n'
                "* EXECUTING: Publish version for @basalt/core@4.8.0\n" + _NOT_FOUND + "\nThe command failed:\n"
                "npm publish --registry=https://registry.npmjs.com/\nERROR: Error: The command failed with exit code 1",
            ),
        ),
        "no-access",
        "@basalt/core",
    ),
    "nx": Publish(
        (
            *_NODE,
            (
                "npx nx release publish",
                "> nx run core:nx-release-publish\n\n📦  @basalt/core@4.8.0\nnpm publish error:\n"
                "Not Found - PUT https://registry.npmjs.com/@basalt%2fcore - Not found\n\nnpm publish error:\nE404",
            ),
        ),
        "no-access",
        "@basalt/core",
    ),
    "twine": Publish(
        (
            *_PYTHON,
            (
                "python -m twine upload dist/*",
                f"Uploading distributions to {_PYPI}\nUploading quorum_client-2.3.0-py3-none-any.whl\n"
                f"ERROR    HTTPError: 403 Forbidden from {_PYPI}\n"
                "         The user 'quorum-ci' isn't allowed to upload to project 'quorum-client'. See "
                f"https://{INDEX}/help/#project-name for more information.",
            ),
        ),
        "insufficient-scope",
        "quorum-client",
    ),
    "uv": Publish(
        (
            *_PYTHON,
            (
                "uv publish",
                f"Publishing 2 files {_PYPI}\nUploading quorum_client-2.3.0-py3-none-any.whl (61.0KiB)\n"
                f"error: Failed to publish `dist/quorum_client-2.3.0-py3-none-any.whl` to {_PYPI}\n"
                f"  Caused by: Server returned status code 403 Forbidden. Server says: 403 {_DEAD}",
            ),
        ),
        "token-rejected",
        "quorum-client",
    ),
    "poetry": Publish(
        (
            *_PYTHON,
            (
                "poetry publish",
                "\nPublishing quorum-client (2.3.0) to PyPI\n - Uploading quorum_client-2.3.0-py3-none-any.whl FAILED\n"
                f"\nHTTP Error 403: {_DEAD} | b'...'",
            ),
        ),
        "token-rejected",
        "quorum-client",
    ),
    "flit": Publish(
        (
            *_PYTHON,
            (
                "flit publish",
                "Uploading dist/quorum_client-2.3.0-py3-none-any.whl...                I-flit.upload\n"
                f"requests.exceptions.HTTPError: 403 Client Error: {_DEAD} for url: {_PYPI}",
            ),
        ),
        "token-rejected",
        "quorum-client",
    ),
    "cargo": Publish(
        (
            ("cargo test", "running 12 tests\ntest result: ok. 12 passed; 0 failed; 0 ignored"),
            (
                "cargo publish",
                "    Updating crates.io index\n   Packaging mote-core v0.4.2 (/x/mote-core)\n"
                "   Uploading mote-core v0.4.2 (/x/mote-core)\n"
                "error: failed to publish mote-core v0.4.2 to registry at https://crates.io\n\nCaused by:\n"
                "  the remote server responded with an error (status 403 Forbidden): this crate exists but you don't "
                "seem to be an owner. If you believe this is a mistake, perhaps you need to accept an invitation.",
            ),
        ),
        "insufficient-scope",
        "mote-core",
    ),
    "gem": Publish(
        (
            ("bundle install", "Bundle complete! 12 Gemfile dependencies, 40 gems now installed."),
            ("bundle exec rake test", "12 runs, 30 assertions, 0 failures, 0 errors, 0 skips"),
            (
                "gem push pkg/mote-0.4.2.gem",
                "Pushing gem to https://rubygems.org...\nYou do not have permission to push to this gem. "
                "Ask an owner to add you with: gem owner mote --add you@example.com",
            ),
        ),
        "insufficient-scope",
        "mote",
    ),
    "dotnet": Publish(
        (
            ("dotnet test", "Passed!  - Failed:     0, Passed:    31, Skipped:     0, Total:    31"),
            ("dotnet pack -c Release", "  Successfully created package '/x/bin/Mote.Core.0.4.2.nupkg'."),
            (
                "dotnet nuget push bin/*.nupkg --source https://api.nuget.org/v3/index.json",
                "Pushing Mote.Core.0.4.2.nupkg to 'https://www.nuget.org/api/v2/package'...\n"
                "  Forbidden https://www.nuget.org/api/v2/package/ 512ms\n"
                "error: Response status code does not indicate success: 403 (The specified API key is invalid, has "
                "expired, or does not have permission to access the specified package.).",
            ),
        ),
        "token-rejected",
        "Mote.Core",
    ),
    "docker": Publish(
        (
            ("docker build -t harbor/gate:1.4.0 .", "#7 naming to docker.io/harbor/gate:1.4.0 done"),
            (
                "docker push harbor/gate:1.4.0",
                "The push refers to repository [docker.io/harbor/gate]\n5f70bf18a086: Waiting\n"
                "denied: requested access to the resource is denied",
            ),
        ),
        "insufficient-scope",
        "harbor/gate",
    ),
    "maven": Publish(
        (
            (
                "mvn -B deploy",
                "[INFO] Scanning for projects...\n[INFO] Building bench-lib 1.8.1\n"
                "[INFO] --- maven-deploy-plugin:3.1.2:deploy (default-deploy) @ bench-lib ---\n[INFO] BUILD FAILURE\n"
                "[ERROR] Failed to execute goal org.apache.maven.plugins:maven-deploy-plugin:3.1.2:deploy "
                "(default-deploy) on project bench-lib: Failed to deploy artifacts: Could not transfer artifact "
                "com.dunnock:bench-lib:jar:1.8.1 from/to ossrh (https://oss.sonatype.org/service/local/): "
                f"authentication failed for {_JAR}, status: 401 Unauthorized -> [Help 1]",
            ),
        ),
        "token-rejected",
        "com.dunnock:bench-lib",
    ),
    "gradle": Publish(
        (
            (
                "./gradlew publish",
                "> Task :compileJava\n> Task :test\n> Task :publishMavenPublicationToOssrhRepository FAILED\n\n"
                "FAILURE: Build failed with an exception.\n\n* What went wrong:\n"
                "Execution failed for task ':publishMavenPublicationToOssrhRepository'.\n"
                "> Failed to publish publication 'maven' to repository 'ossrh'\n"
                f"   > Could not PUT '{_JAR}'. Received status code 401 from server: Unauthorized\n\nBUILD FAILED",
            ),
        ),
        "token-rejected",
        "com.dunnock:bench-lib",
    ),
    "vsce": Publish(
        (
            *_NODE,
            (
                "npx vsce publish",
                "Executing prepublish script 'npm run vscode:prepublish'...\n"
                "INFO  Publishing 'harbor.gate-lens v1.4.0'...\nERROR  Failed request: (401)",
            ),
        ),
        "token-rejected",
        "harbor.gate-lens",
    ),
    "helm": Publish(
        (
            ("helm package chart", "Successfully packaged chart and saved it to: /x/gate-1.4.0.tgz"),
            (
                "helm push gate-1.4.0.tgz oci://ghcr.io/harbor/charts",
                'Error: failed to perform "Push" on destination: denied: denied',
            ),
        ),
        "insufficient-scope",
        "gate",
    ),
}

PUBLISHED: dict[str, Publish] = {
    client: Publish((*before, (command, output)), "published", package)
    for client, before, command, output, package in (
        ("npm", _NODE, "npm publish", _TARBALL + "+ @basalt/core@4.8.0", "@basalt/core"),
        (
            "release-it",
            _NODE,
            "npx release-it --ci",
            "🚀 Let's release basalt (4.7.0...4.8.0)\n✔ Git push\n✔ npm publish\n🏁 Done (in 41s.)",
            "basalt",
        ),
        (
            "np",
            _NODE,
            "npx np --yolo",
            "Publish a new version of basalt (current: 4.7.0)\n\n basalt 4.8.0 published 🎉",
            "basalt",
        ),
        (
            "nx",
            _NODE,
            "npx nx release publish",
            "> nx run core:nx-release-publish\n\n📦  @basalt/core@4.8.0\nPublished to https://registry.npmjs.com/ with",
            "@basalt/core",
        ),
        (
            "twine",
            _PYTHON,
            "twine upload dist/*",
            f"Uploading distributions to {_PYPI}\nUploading quorum_client-2.3.0-py3-none-any.whl\n\nView at:\n"
            f"https://{INDEX}/project/quorum-client/2.3.0/",
            "quorum-client",
        ),
        (
            "uv",
            _PYTHON,
            "uv publish",
            f"Publishing 1 file {_PYPI}\nUploading quorum_client-2.3.0-py3-none-any.whl (61.0KiB)",
            "quorum-client",
        ),
        (
            "flit",
            _PYTHON,
            "flit publish",
            "Uploading dist/quorum_client-2.3.0-py3-none-any.whl...    I-flit.upload\n"
            f"Package is at https://{INDEX}/project/quorum-client/     I-flit.upload",
            "quorum-client",
        ),
        (
            "ovsx",
            _NODE,
            "npx ovsx publish",
            "🚀  Published harbor.gate-lens v1.4.0",
            "harbor.gate-lens",
        ),
        (
            "hex",
            (),
            "mix hex.publish --yes",
            "Building gate 1.4.0\nPackage published to https://hex.pm/packages/gate/1.4.0 (abcdef)",
            "gate",
        ),
        ("pod", (), "pod trunk push", "Updating spec repo `trunk`\n\n 🚀  Gate (1.4.0) successfully published", "Gate"),
        (
            "dart",
            (),
            "dart pub publish --force",
            "Publishing gate 1.4.0 to https://pub.dev:\n"
            "Message from server: Successfully uploaded https://pub.dev/packages/gate version 1.4.0.",
            "gate",
        ),
    )
}
