"""Scripts of any name that publish by a library: the error's own request names the registry."""

from __future__ import annotations

import pytest

from bot.diagnosis.engine import diagnose
from tests.publish_outputs import INDEX
from tests.test_diagnosis_services import github, gitlab

_URL = "https://registry.npmjs.com/@merle%2fui"


def _object(code: str, status: int, says: str, verb: str = "PUT", url: str = _URL) -> str:
    """An error of npm-registry-fetch as Node prints it."""
    return (
        "publish failed {\n"
        f"  headers: [Object: null prototype] {{\n    'content-type': [ 'application/json' ]\n  }},\n"
        f"  statusCode: {status},\n  code: '{code}',\n  method: '{verb}',\n  uri: '{url}',\n"
        f"  body: {{ error: '{says}' }},\n  pkgid: '@merle/ui@1.4.0'\n}}"
    )


def _axios(status: int, says: str, verb: str = "put", url: str = _URL) -> str:
    return (
        f"AxiosError: Request failed with status code {status}\n"
        "    at settle (/w/node_modules/axios/dist/node/axios.cjs:2091:12)\n"
        f"  code: 'ERR_BAD_REQUEST',\n  config: {{\n    method: '{verb}',\n    url: '{url}',\n  }},\n"
        f"  response: {{\n    status: {status},\n    data: {{ error: '{says}' }}\n  }}\n}}"
    )


_PERMISSION = 'You do not have permission to publish "@merle/ui". Are you logged in as the correct user?'
_OVER = "You cannot publish over the previously published versions: 1.4.0."
NPM = (
    (_object("E402", 402, "You must sign up for private packages"), "payment-required"),
    (_object("E403", 403, _OVER), "version-exists"),
    (_object("E404", 404, "Not found"), "no-access"),
    (_object("E401", 401, "Unauthorized"), "token-rejected"),
    (_object("EOTP", 401, "OTP required for authentication"), "otp-required"),
    (_object("E503", 503, "Service Unavailable"), "registry-outage"),
    (_object("E429", 429, "rate limited exceeded"), "rate-limited"),
    (_axios(403, _PERMISSION), "insufficient-scope"),
    (_axios(401, "Unauthorized"), "token-rejected"),
    (_axios(403, _OVER), "version-exists"),
    (
        f"HttpErrorGeneral: 402 Payment Required - PUT {_URL} - You must sign up for private packages",
        "payment-required",
    ),
    (
        f"HTTPError: Response code 404 (Not Found)\n  options: {{ method: 'PUT', url: URL {{ href: '{_URL}' }} }}",
        "no-access",
    ),
    (f'PUT {_URL} -> 401 {{"error":"Unauthorized"}}', "token-rejected"),
    (
        "publishing @merle/ui@1.4.0 to https://registry.npmjs.com/\nregistry said 401 to PUT /@merle%2fui",
        "token-rejected",
    ),
)
_UPLOAD = f"https://upload.{INDEX}/legacy/"
PYPI = (
    (f"requests.exceptions.HTTPError: 403 Client Error: Forbidden for url: {_UPLOAD}", "insufficient-scope"),
    (f"requests.exceptions.HTTPError: 400 Client Error: File already exists for url: {_UPLOAD}", "version-exists"),
    (f"httpx.HTTPStatusError: Server error '503 Service Unavailable' for url '{_UPLOAD}'", "registry-outage"),
    ("twine.exceptions.NonInteractive: Credential not found for API token.", "token-missing"),
    (
        f"POST {_UPLOAD} dist/merle-1.4.0.tar.gz\nurllib.error.HTTPError: HTTP Error 403: Invalid or non-existent "
        "authentication information.",
        "token-rejected",
    ),
    (
        f"requests.exceptions.ConnectionError: HTTPSConnectionPool(host='upload.{INDEX}', port=443): Max retries",
        "network-error",
    ),
)


@pytest.mark.parametrize("run", ["node tools/publish.js", "node scripts/ship.mjs", "npm run release"])
@pytest.mark.parametrize(("says", "cause"), NPM)
def test_a_refusal_that_a_script_prints_is_the_registrys(run: str, says: str, cause: str) -> None:
    for log in (github((run, says)), gitlab((run, says))):
        found = diagnose(log)
        assert (found.cause, found.registry, found.package) == (cause, "npm", "@merle/ui")


@pytest.mark.parametrize("run", ["python tools/publish.py", "python ci/up.py"])
@pytest.mark.parametrize(("says", "cause"), PYPI)
def test_an_upload_that_a_script_makes_is_to_pypi(run: str, says: str, cause: str) -> None:
    for log in (github((run, says)), gitlab((run, says))):
        found = diagnose(log)
        assert (found.cause, found.registry) == (cause, "pypi")


@pytest.mark.parametrize("says", [says for says, _ in NPM + PYPI])
def test_what_tests_and_stand_ins_print_is_no_refusal(says: str) -> None:
    local = says.replace("https://registry.npmjs.com", "http://localhost:4873").replace(
        f"https://upload.{INDEX}", "http://127.0.0.1:8080"
    )
    for run, out in (
        ("npm test", f"{says}\nTests: 3 passed, 3 total"),
        ("npx vitest run", f"{says}\n FAIL  src/publish.test.ts"),
        ("node test/registry.js", says),
        ("node tools/stand-in.js", local if local != says else ""),
    ):
        log = github((run, out)).replace(b"Complete job name: publish", b"Complete job name: test")
        assert not diagnose(log).auth


def test_a_request_that_reads_or_logs_in_is_no_publish() -> None:
    read = _object("E404", 404, "Not found", verb="GET")
    audit = "POST https://registry.npmjs.com/-/npm/v1/security/advisories/bulk 401 Unauthorized"
    other = _axios(401, "Unauthorized", url="https://api.acme.io/orders")
    for out in (read, audit, other):
        assert not diagnose(gitlab(("node scripts/stats.mjs", out))).auth


def test_an_object_without_end_is_read_line_by_line() -> None:
    out = "  code: 'E401',\n" + "  word: 'x',\n" * 5000 + "npm error code E404\n"
    out += f"npm error 404 Not Found - PUT {_URL} - Not found"
    found = diagnose(gitlab(("npm publish", out)))
    assert (found.cause, found.package) == ("no-access", "@merle/ui")
