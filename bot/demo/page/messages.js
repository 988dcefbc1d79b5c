// The messages of one place, each drawn once and redrawn only when it changed.

import { blocks } from "./blocks.js";
import * as dates from "./dates.js";
import { announce, byId, el } from "./dom.js";
import { menu } from "./menu.js";
import { mrkdwn } from "./mrkdwn.js";
import { store } from "./store.js";

const drawn = new Map();
const openThreads = new Set();
// Slack gives an app three seconds to answer.
const FOLLOW_MS = 3000;
let place = null;
let newest = "";
let following = false;

// Draws the log of a channel from the store; `act` tells the bot what was pressed, `shortcut` runs a message shortcut.
export function draw(channel, act, shortcut) {
  const log = byId("log");
  const moved = place !== channel;
  // Looking at another place is not news.
  log.setAttribute("aria-live", moved ? "off" : "polite");
  if (moved) {
    place = channel;
    drawn.clear();
    log.replaceChildren();
  }
  const pinned = atEnd() || moved;
  const top = store.messages(channel).filter((message) => !message.thread_ts || message.thread_ts === message.ts);
  const wanted = new Set();
  let previous = null;
  let before = null;
  for (const message of top) {
    const date = dates.day(message.ts);
    if (date !== before) wanted.add(separator(log, date, previous));
    previous = date === before ? previous : drawn.get(`day ${date}`).node;
    before = date;
    const entry = drawMessage(message, act, shortcut);
    if (entry.node.previousSibling !== previous) previous.after(entry.node);
    wanted.add(entry.node);
    previous = entry.node;
  }
  for (const node of [...log.children]) if (!wanted.has(node)) node.remove();
  if (!top.length) log.append(el("p", { class: "empty" }, "Nothing here yet. Let something happen, or try /tokens help."));
  if (pinned || following) toEnd();
  else if (top.length && top.at(-1).ts > newest) byId("newer").hidden = false;
  newest = top.at(-1)?.ts ?? "";
}

export function toEnd() {
  byId("log").scrollTop = byId("log").scrollHeight;
  byId("newer").hidden = true;
}

// What a person does themselves is answered before their eyes, wherever they had scrolled to.
export function follow() {
  following = true;
  setTimeout(() => { following = false; }, FOLLOW_MS);
  toEnd();
}

export function start() {
  byId("newer").addEventListener("click", toEnd);
  byId("log").addEventListener("scroll", () => { if (atEnd()) byId("newer").hidden = true; });
}

function atEnd() {
  const log = byId("log");
  return log.scrollHeight - log.scrollTop - log.clientHeight < 80;
}

function separator(log, date, previous) {
  const key = `day ${date}`;
  if (!drawn.has(key)) drawn.set(key, { node: el("div", { class: "day", role: "separator" }, el("span", {}, date)) });
  const node = drawn.get(key).node;
  if (previous === null && log.firstChild !== node) log.prepend(node);
  else if (previous !== null && node.previousSibling !== previous) previous.after(node);
  return node;
}

function drawMessage(message, act, shortcut) {
  const replies = store.messages(message.channel).filter((one) => one.thread_ts === message.ts && one.ts !== message.ts);
  const version = JSON.stringify([message, replies, openThreads.has(message.ts)]);
  const old = drawn.get(message.ts);
  if (old?.version === version) return old;
  const node = article(message, act, shortcut);
  if (replies.length) node.querySelector(".message-body").append(thread(message, replies, act, shortcut));
  if (old) {
    const focused = old.node.contains(document.activeElement) ? focusKey(old.node) : null;
    // The announcer says what changed; the whole card need not be read out again.
    node.setAttribute("aria-live", "off");
    old.node.replaceWith(node);
    if (focused !== null) refocus(node, focused);
    if (message.edited) announce(`Edited: ${message.text}`);
  }
  const entry = { node, version };
  drawn.set(message.ts, entry);
  return entry;
}

// Redrawing must not throw the keyboard back to the top of the page.
function focusKey(node) {
  return [...node.querySelectorAll("button, a, select, input")].indexOf(document.activeElement);
}

function refocus(node, key) {
  const all = [...node.querySelectorAll("button, a, select, input")];
  if (all.length) all[Math.min(key, all.length - 1)].focus();
  else node.focus();
}

function article(message, act, shortcut) {
  const person = store.person(message.user);
  const name = message.by_slack ? "Slack" : (person?.real_name ?? message.user);
  const surface = { names: store.names, act: (block, element, value) => act(message, block, element, value) };
  const body = el("div", { class: "message-body" },
    el("div", { class: "byline" },
      el("span", { class: "author" }, name),
      message.by_bot && el("span", { class: "badge" }, "App"),
      el("time", { datetime: new Date(Number(message.ts) * 1000).toISOString(), title: dates.full(message.ts) }, dates.clock(message.ts)),
      message.edited && el("span", { class: "quiet" }, "(edited)"),
      message.ephemeral && el("span", { class: "whisper" }, "Only visible to you")));
  if (message.blocks.length) body.append(blocks(message.blocks, surface));
  else if (message.text) body.append(el("div", { class: "block plain-text" }, mrkdwn(message.text, store.names)));
  for (const file of message.files) body.append(shared(file));
  const tools = messageTools(message, shortcut);
  return el("article", { class: message.ephemeral ? "message ephemeral" : "message", tabindex: "-1", "aria-label": `${name}: ${message.text.slice(0, 120)}`, "data-ts": message.ts },
    avatar(message, person, name), body, tools);
}

function shared(file) {
  if (file.mimetype !== "image/png") return el("div", { class: "file" }, `${file.name} · ${file.size} bytes`);
  const address = `api/pictures/${encodeURIComponent(file.id)}`;
  const image = el("img", { src: address, alt: file.alt_txt || file.title });
  return el("figure", { class: "shared" }, el("a", { href: address, target: "_blank", rel: "noopener" }, image), el("figcaption", { class: "quiet" }, file.title));
}

function messageTools(message, shortcut) {
  const offered = store.shortcuts("message");
  if (!offered.length || message.ephemeral || message.by_slack) return null;
  return el("div", { class: "tools" }, menu("Message actions", offered.map((one) => ({ label: one.name, choose: () => shortcut(one, message) }))));
}

function avatar(message, person, name) {
  if (message.by_bot) return el("img", { class: "avatar", src: "icon.svg", alt: "" });
  const letters = name.split(/\s+/).map((word) => word[0]).join("").slice(0, 2);
  return el("span", { class: `avatar tint-${tint(person?.id ?? name)}`, "aria-hidden": "true" }, letters);
}

const tint = (text) => [...text].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 4;

function thread(message, replies, act, shortcut) {
  const open = openThreads.has(message.ts);
  const count = `${replies.length} ${replies.length === 1 ? "reply" : "replies"}`;
  const toggle = el("button", { type: "button", class: "thread-toggle", "aria-expanded": String(open), onclick: () => {
    if (open) openThreads.delete(message.ts);
    else openThreads.add(message.ts);
    draw(message.channel, act, shortcut);
  } }, count, el("span", { class: "quiet" }, ` last at ${dates.clock(replies.at(-1).ts)}`));
  const holder = el("div", { class: "thread" }, toggle);
  if (open) for (const reply of replies) holder.append(article(reply, act, shortcut));
  return holder;
}
