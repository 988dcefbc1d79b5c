#!/usr/bin/env node
// Tells Tokenwatch what became of a publish outside GitHub Actions, through GitHub's repository_dispatch.
//
//   node tokenwatch-report.mjs failed    --ci jenkins --repo acme/ui --url "$BUILD_URL" --log publish.log
//   node tokenwatch-report.mjs succeeded --ci jenkins --repo acme/ui --url "$BUILD_URL"
//
// Options: --package, --version (else those of ./package.json), --registry (npm), --staged (it waits for approval).
// Environment: TOKENWATCH_GITHUB_TOKEN, a fine-grained GitHub token with "Contents: write" on that one repository;
// GITHUB_API_URL for GitHub Enterprise. Needs Node 18 or newer and nothing else.
//
// It never fails the build: what goes wrong is one line on stderr, and the exit code is 0.
import { readFileSync } from "node:fs";

const MOST_BYTES = 48 * 1024;
const SHAPES = [
  /npms?_[A-Za-z0-9]{36,}/g,
  /gh[pousr]_[A-Za-z0-9_.-]{20,}|github_pat_[A-Za-z0-9_]{20,}/g,
  /gl(?:pat|ptt|dt|cbt|oas|rt|ft)-[A-Za-z0-9_-]{16,}/g,
  /pypi-[A-Za-z0-9_-]{16,}/g,
  /eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}/g,
  /(?<=_(?:authToken|auth|password)\s*[=:]\s*["']?)[^\s"'$*{][^\s"']{3,}/gi,
  /(?<=:\/\/[^/\s:@]*:)[^/\s@]{3,}(?=@)/g,
];

function options(given) {
  const found = {};
  for (let at = 0; at < given.length; at += 1) {
    const name = given[at].replace(/^--/, "");
    if (name === "staged") found.staged = true;
    else found[name] = given[(at += 1)];
  }
  return found;
}

function manifest() {
  try {
    return JSON.parse(readFileSync("package.json", "utf8"));
  } catch {
    return {};
  }
}

// The values of this job's own secrets, whatever they look like: CI systems mask them on their page, not in files.
function ownSecrets() {
  return Object.entries(process.env)
    .filter(([name, value]) => /TOKEN|SECRET|PASSWORD|AUTH|_KEY$/i.test(name) && value && value.length >= 8)
    .map(([, value]) => value);
}

function tail(path) {
  let text = readFileSync(path).subarray(-4 * MOST_BYTES).toString("utf8");
  for (const value of ownSecrets()) text = text.split(value).join("***");
  for (const shape of SHAPES) text = text.replace(shape, "***");
  let bytes = Buffer.from(text, "utf8").subarray(-MOST_BYTES);
  while (bytes.length && (bytes[0] & 0xc0) === 0x80) bytes = bytes.subarray(1); // not from the middle of a character
  return bytes.toString("utf8");
}

async function main() {
  const [what, ...rest] = process.argv.slice(2);
  if (what !== "failed" && what !== "succeeded") throw new Error("say failed or succeeded first");
  const given = options(rest);
  if (!/^[\w.-]+\/[\w.-]+$/.test(given.repo ?? "")) throw new Error("--repo has to be OWNER/NAME on GitHub");
  const token = process.env.TOKENWATCH_GITHUB_TOKEN;
  if (!token) throw new Error("TOKENWATCH_GITHUB_TOKEN is not set");
  const read = manifest();
  const payload = {
    registry: given.registry ?? "npm",
    package: given.package ?? read.name,
    version: given.version ?? read.version,
    run_url: given.url,
    ci: given.ci,
  };
  if (given.staged) payload.staged = true;
  if (what === "failed" && given.log) {
    try {
      payload.log = tail(given.log);
    } catch {
      throw new Error(`${given.log} is not there, so the publish never began; nothing is reported`);
    }
  }
  const base = (process.env.GITHUB_API_URL ?? "https://api.github.com").replace(/\/$/, "");
  const answer = await fetch(`${base}/repos/${given.repo}/dispatches`, {
    method: "POST",
    headers: {
      Accept: "application/vnd.github+json",
      Authorization: `Bearer ${token}`,
      "Content-Type": "application/json",
      "User-Agent": "tokenwatch-report",
      "X-GitHub-Api-Version": "2022-11-28",
    },
    body: JSON.stringify({ event_type: `publish-${what}`, client_payload: payload }),
    signal: AbortSignal.timeout(15_000),
  });
  if (!answer.ok) {
    const means = { 401: "the token is refused", 403: "it lacks Contents: write", 404: "it does not reach the repository" };
    throw new Error(`GitHub answered ${answer.status}: ${means[answer.status] ?? "not taken"}`);
  }
}

main().catch((error) => console.error(`tokenwatch-report: ${error.cause?.code ?? error.message}`));
