// Forms: the top view of the stack in a dialog; typed values survive updates; errors stand beside their fields.

import * as api from "./api.js";
import { blocks } from "./blocks.js";
import { announce, byId, el, freshId } from "./dom.js";
import { store } from "./store.js";

let dialog = null;
let shown = null;
let readers = new Map();
let returnTo = null;

// Shows the newest open view, or nothing.
export function draw() {
  const view = store.views.at(-1);
  if (!view) return shut();
  if (shown?.id === view.id && shown.hash === view.hash) return undefined;
  const kept = shown?.id === view.id ? values() : {};
  const place = shown?.id === view.id ? focusedAction() : null;
  if (!dialog) open();
  shown = view;
  readers = new Map();
  fill(view, kept);
  refocus(place);
  return undefined;
}

function open() {
  returnTo = document.activeElement;
  dialog = el("dialog", { class: "modal" });
  // Escape closes the top form only, and the bot hears of it if it asked to.
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    dismiss();
  });
  document.body.append(dialog);
  dialog.showModal();
}

function shut() {
  if (!dialog) return;
  dialog.close();
  dialog.remove();
  dialog = shown = null;
  if (returnTo?.isConnected) returnTo.focus();
  else byId("composer-text").focus();
}

function dismiss() {
  api.close({ view: shown.id });
}

function fill(view, kept) {
  const title = freshId("title");
  const surface = {
    names: store.names,
    hold: (block, element, read) => readers.set(keyOf(block, element), read),
    held: (block, element) => kept[keyOf(block, element)],
    touched: (block) => mark(block.block_id, ""),
    suggest: async (element, typed) => (await api.suggest({ view: view.id, action: element.action_id, typed })).options ?? [],
    act: (block, element, value) => act(view, block, element, value),
  };
  const failure = el("p", { class: "error", role: "alert", id: freshId("failure") });
  const form = el("form", { novalidate: true, onsubmit: (event) => { event.preventDefault(); send(view, form, failure); } },
    el("div", { class: "modal-head" },
      el("h2", { id: title }, view.title.text),
      el("button", { type: "button", class: "plain", "aria-label": "Close", onclick: dismiss }, "✕")),
    el("div", { class: "modal-body" }, blocks(view.blocks, surface)),
    el("div", { class: "modal-foot" }, failure,
      el("button", { type: "button", class: "plain button", onclick: dismiss }, view.close?.text ?? "Cancel"),
      view.submit && el("button", { type: "submit", class: "primary button" }, view.submit.text)));
  dialog.setAttribute("aria-labelledby", title);
  dialog.replaceChildren(form);
}

// Several inputs may share an action id; an input block holds one element, so its own id tells them apart.
function keyOf(block, element) {
  return block.type === "input" ? block.block_id : element.action_id;
}

function values() {
  return Object.fromEntries([...readers].map(([name, read]) => [name, read()]));
}

async function act(view, block, element, value) {
  const answer = await api.click({
    user: store.me, view: view.id, action: element.action_id, block: block.block_id, value, state: values(),
  });
  if (answer.error) announce(answer.error);
}

async function send(view, form, failure) {
  const button = form.querySelector("[type=submit]");
  button.disabled = true;
  form.setAttribute("aria-busy", "true");
  for (const error of form.querySelectorAll("[data-error]")) mark(error.dataset.error, "");
  failure.textContent = "";
  const answer = await api.submit({ user: store.me, view: view.id, values: values() });
  button.disabled = false;
  form.removeAttribute("aria-busy");
  if (answer.error) failure.textContent = answer.error;
  const wrong = Object.entries(answer.errors ?? {});
  wrong.forEach(([block, text]) => mark(block, text));
  if (wrong.length) {
    announce(`${wrong.length === 1 ? "One field needs" : `${wrong.length} fields need`} your attention.`);
    fieldOf(wrong[0][0])?.querySelector("input, select, textarea")?.focus();
  }
}

function fieldOf(block) {
  return [...dialog.querySelectorAll("[data-error]")].find((one) => one.dataset.error === block)?.closest(".field");
}

function mark(block, text) {
  const field = fieldOf(block);
  if (!field) return;
  field.querySelector("[data-error]").textContent = text;
  field.classList.toggle("wrong", Boolean(text));
  for (const input of field.querySelectorAll("input, select, textarea")) {
    if (text) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  }
}

function focusedAction() {
  return dialog?.contains(document.activeElement) ? (document.activeElement.dataset.action ?? "") : null;
}

function refocus(action) {
  const all = [...dialog.querySelectorAll("[data-action]")];
  const wanted = all.find((one) => action && one.dataset.action === action) ?? dialog.querySelector("[autofocus]") ??
    dialog.querySelector(".modal-body input, .modal-body select, .modal-body textarea, .modal-body button, .modal-body a") ??
    dialog.querySelector("[type=submit], .modal-foot button");
  wanted?.focus();
}
