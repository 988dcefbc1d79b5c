// The side panel: what can be let happen, and the app's global shortcuts.

import * as api from "./api.js";
import { byId, el } from "./dom.js";
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

async function play(id) {
  const answer = await api.play(id);
  byId("composer-note").textContent = answer.error ?? "";
}

export function playing({ id, on }) {
  const button = byId("playables").querySelector(`[data-play="${CSS.escape(id)}"]`);
  button?.setAttribute("aria-busy", String(on));
}
