// A log that somebody pastes, and what the bot would say to it.

import * as api from "./api.js";
import { byId, el, freshId } from "./dom.js";

const OUTCOMES = { failed: "Failed", succeeded: "Went out", staged: "Waits for approval", unclear: "Unclear" };

export function start() {
  byId("own-log").addEventListener("click", open);
}

function open() {
  const title = freshId("own-log"), box = freshId("log");
  const found = el("div", { class: "found", role: "region", "aria-live": "polite", "aria-label": "Diagnosis", tabindex: "-1" });
  const text = el("textarea", { id: box, spellcheck: "false", autofocus: true, placeholder: "The whole log of the job, as GitHub shows it" });
  const send = el("button", { type: "submit", class: "primary button" }, "Diagnose");
  const dialog = el("dialog", { class: "modal wide own-log", "aria-labelledby": title },
    el("form", { onsubmit: (event) => {
      event.preventDefault();
      read(text, send, found);
    } },
    el("div", { class: "modal-head" }, el("h2", { id: title }, "Paste a log")),
    el("div", { class: "modal-body" }, el("label", { for: box }, "Log of a job"), text, found),
    el("div", { class: "modal-foot" },
      el("button", { type: "button", class: "plain button", onclick: () => dialog.close() }, "Close"),
      send)));
  dialog.addEventListener("close", () => {
    dialog.remove();
    byId("own-log").focus();
  });
  document.body.append(dialog);
  dialog.showModal();
}

async function read(text, send, found) {
  if (!text.value.trim()) return text.focus();
  send.disabled = true;
  const answer = await api.diagnose(text.value);
  send.disabled = false;
  found.replaceChildren(...(answer.error ? [el("p", { class: "error" }, answer.error)] : shown(answer)));
  return found.focus();
}

// `code` between backticks.
function words(text) {
  return text.split("`").map((part, place) => (place % 2 ? el("code", {}, part) : part));
}

function shown(diagnosis) {
  const about = [diagnosis.package && [diagnosis.package, diagnosis.version].filter(Boolean).join(" "),
    diagnosis.registry && `to ${diagnosis.registry}`, diagnosis.client ?? diagnosis.tool, diagnosis.code].filter(Boolean).join(", ");
  const others = diagnosis.also.filter((one) => one.cause !== "published").slice(0, 3);
  return [
    el("h3", {}, diagnosis.sentence),
    el("p", { class: "quiet" }, `${OUTCOMES[diagnosis.outcome] ?? diagnosis.outcome} · ${diagnosis.cause}, confidence ${Math.round(diagnosis.confidence * 100)}%`),
    about && el("p", { class: "quiet" }, about),
    ...(diagnosis.evidence.length ? [el("h3", {}, "In the log"), el("pre", {}, diagnosis.evidence.slice(0, 5).map((one) => `${one.line}  ${one.text}`).join("\n"))] : []),
    ...(diagnosis.fix.length ? [el("h3", {}, "What to do"), el("ol", {}, ...diagnosis.fix.map((step) => el("li", {}, words(step))))] : []),
    ...(others.length ? [el("h3", {}, "It could also be"), el("ul", {}, ...others.map((one) => el("li", {}, words(`${one.cause} (${Math.round(one.confidence * 100)}%), if ${one.would_confirm}`))))] : []),
    diagnosis.secrets_masked > 0 && el("p", {}, `${diagnosis.secrets_masked} credentials in the log were masked; revoke them.`),
  ].filter(Boolean);
}
