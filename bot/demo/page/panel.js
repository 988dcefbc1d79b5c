// The side panel: what can be let happen, and the app's global shortcuts.

import * as api from "./api.js";
import * as dates from "./dates.js";
import { announce, byId, el } from "./dom.js";
import { store } from "./store.js";

let run = () => {};

export function start(shortcut) {
  run = shortcut;
  byId("panel-toggle").addEventListener("click", () => show(byId("panel-toggle").getAttribute("aria-expanded") !== "true"));
  byId("panel-close").addEventListener("click", () => show(false));
  byId("panel").addEventListener("keydown", (event) => { if (event.key === "Escape") show(false); });
}

// Only narrow screens hide the panel; there it lies over the chat.
function show(open) {
  byId("panel").classList.toggle("open", open);
  byId("panel-toggle").setAttribute("aria-expanded", String(open));
  if (open) byId("panel").querySelector("button").focus();
  else byId("panel-toggle").focus();
}

export function draw() {
  drawTime();
  byId("playables").replaceChildren(...store.playables.map((one) =>
    el("li", {},
      el("button", { type: "button", class: "play", "data-play": one.id, onclick: () => play(one.id) },
        el("span", { class: "play-title" }, one.title),
        el("span", { class: "quiet" }, one.see)))));
  const offered = store.shortcuts("global");
  byId("shortcuts").replaceChildren(...(offered.length ? [
    el("h2", {}, "Shortcuts"),
    ...offered.map((one) => el("button", { type: "button", class: "plain button", onclick: () => run({ callback: one.callback_id }) }, one.name)),
  ] : []));
}

// Where the sandbox is in time, and where it can go.
export function drawTime() {
  const { ahead_ms, destinations } = store.time;
  dates.travelled(ahead_ms);
  byId("time").hidden = !destinations.length && !ahead_ms;
  byId("time-now").textContent = dates.present();
  byId("destinations").replaceChildren(...destinations.map((one) =>
    el("button", { type: "button", class: "plain button", "data-to": one.id, onclick: () => travel(one) }, one.title)));
}

async function travel({ id, title }) {
  const focused = document.activeElement?.dataset?.to;
  const answer = await api.travel(id);
  byId("composer-note").textContent = answer.error ?? "";
  announce(answer.error ?? `${title}: it is now ${dates.present()}`);
  // The buttons were drawn anew; the keyboard stays where it was.
  if (focused) (document.querySelector(`[data-to="${focused}"]`) ?? byId("destinations").querySelector("button"))?.focus();
}

async function play(id) {
  const answer = await api.play(id);
  byId("composer-note").textContent = answer.error ?? "";
}

export function playing({ id, on }) {
  const button = byId("playables").querySelector(`[data-play="${CSS.escape(id)}"]`);
  button?.setAttribute("aria-busy", String(on));
}
