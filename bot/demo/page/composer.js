// The message box: Enter sends, / offers commands, arrows and Tab complete them.

import * as api from "./api.js";
import { byId, el } from "./dom.js";
import { store } from "./store.js";

let place = () => "";
let sent = () => {};
let chosen = -1;
let offered = [];

export function start(currentPlace, onSend) {
  place = currentPlace;
  sent = onSend;
  const text = byId("composer-text");
  text.addEventListener("input", () => { chosen = 0; grow(); offer(); });
  text.addEventListener("keydown", key);
  text.addEventListener("blur", () => setTimeout(hide, 150));
  byId("composer").addEventListener("submit", (event) => { event.preventDefault(); send(); });
}

function grow() {
  const text = byId("composer-text");
  text.style.height = "auto";
  text.style.height = `${Math.min(200, text.scrollHeight)}px`;
}

function key(event) {
  const open = !byId("hints").hidden;
  if (open && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    event.preventDefault();
    chosen = (chosen + (event.key === "ArrowDown" ? 1 : -1) + offered.length) % offered.length;
    mark();
  } else if (open && (event.key === "Tab" || (event.key === "Enter" && !complete()))) {
    event.preventDefault();
    take(offered[Math.max(0, chosen)]);
  } else if (open && event.key === "Escape") {
    hide();
  } else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    send();
  }
}

// Whether what stands there is already a whole command, so that Enter sends it.
function complete() {
  const written = byId("composer-text").value.trim();
  return offered.some((one) => one.text.trim() === written) || /\s\S+\s/.test(written);
}

function offer() {
  const written = byId("composer-text").value;
  const [command, verb, more] = [store.command, ...(/^\/\S*\s+(\S*)(\s.*)?$/.exec(written) ?? []).slice(1)];
  offered = [];
  if (/^\/\S*$/.test(written) && command.startsWith(written) && written) {
    offered = [{ text: `${command} `, label: command, takes: "[verb]", does: "tokens, expiry, rotations and failed publishes" }];
  } else if (verb !== undefined && more === undefined && written.startsWith(`${command} `)) {
    offered = store.verbs.filter((one) => one.name.startsWith(verb)).map((one) => (
      { text: `${command} ${one.name}${one.takes ? " " : ""}`, label: `${command} ${one.name}`, takes: one.takes, does: one.does }));
  }
  if (!offered.length) return hide();
  chosen = Math.min(Math.max(chosen, 0), offered.length - 1);
  byId("hints").replaceChildren(...offered.map((one, at) =>
    el("div", { role: "option", id: `hint-${at}`, onpointerdown: (event) => { event.preventDefault(); take(one); } },
      el("span", { class: "hint-name" }, one.label, one.takes && el("span", { class: "quiet" }, ` ${one.takes}`)),
      el("span", { class: "quiet" }, one.does))));
  byId("hints").hidden = false;
  byId("composer-text").setAttribute("aria-expanded", "true");
  mark();
  return undefined;
}

function mark() {
  [...byId("hints").children].forEach((one, at) => {
    one.setAttribute("aria-selected", String(at === chosen));
    if (at === chosen) one.scrollIntoView({ block: "nearest" });
  });
  byId("composer-text").setAttribute("aria-activedescendant", `hint-${chosen}`);
}

function hide() {
  byId("hints").hidden = true;
  const text = byId("composer-text");
  text.setAttribute("aria-expanded", "false");
  text.removeAttribute("aria-activedescendant");
}

function take(one) {
  byId("composer-text").value = one.text;
  chosen = 0;
  offer();
  byId("composer-text").focus();
  if (offered.length === 1 && offered[0].text === one.text) hide();
}

async function send() {
  const text = byId("composer-text");
  const written = text.value.trim();
  if (!written) return;
  hide();
  text.value = "";
  grow();
  sent();
  const note = byId("composer-note");
  note.textContent = written.startsWith("/") ? "Sent to the bot" : "";
  const answer = await api.say({ user: store.me, channel: place(), text: written });
  note.textContent = answer.error ?? "";
}
