// Slack's rich_text as DOM.

import { filled } from "./dates.js";
import { el } from "./dom.js";
import { emojified, link } from "./mrkdwn.js";

export function richText(block, names) {
  const out = el("div", { class: "rich" });
  const lists = [];
  for (const element of block.elements ?? []) {
    if (element.type === "rich_text_list") out.append(list(element, names, lists));
    else if (element.type === "rich_text_preformatted") out.append(el("pre", {}, el("code", {}, leaves(element, names))));
    else if (element.type === "rich_text_quote") out.append(el("blockquote", {}, leaves(element, names)));
    else out.append(el("div", { class: "line" }, leaves(element, names)));
  }
  return out;
}

function list(element, names) {
  const made = el(element.style === "ordered" ? "ol" : "ul", { start: element.offset ? element.offset + 1 : null });
  if (element.indent) made.classList.add(`indent-${Math.min(4, element.indent)}`);
  for (const item of element.elements ?? []) made.append(el("li", {}, leaves(item, names)));
  return made;
}

function leaves(section, names) {
  return (section.elements ?? []).map((leaf) => styled(leaf, one(leaf, names)));
}

function one(leaf, names) {
  if (leaf.type === "link") return link(leaf.url, leaf.text ?? leaf.url);
  if (leaf.type === "emoji") return document.createTextNode(emojified(`:${leaf.name}:`));
  if (leaf.type === "user") return el("span", { class: "mention" }, "@" + (names.user(leaf.user_id) ?? leaf.user_id));
  if (leaf.type === "channel") return el("span", { class: "mention" }, "#" + (names.channel(leaf.channel_id) ?? leaf.channel_id));
  if (leaf.type === "usergroup") return el("span", { class: "mention" }, "@" + leaf.usergroup_id);
  if (leaf.type === "broadcast") return el("span", { class: "mention loud" }, "@" + leaf.range);
  if (leaf.type === "date") return date(leaf);
  return document.createTextNode(leaf.text ?? leaf.value ?? "");
}

function date(leaf) {
  const at = new Date(leaf.timestamp * 1000);
  return el("time", { datetime: at.toISOString(), title: leaf.fallback }, filled(leaf.format, at));
}

const STYLES = { bold: "strong", italic: "em", strike: "s", underline: "u", code: "code" };

function styled(leaf, node) {
  let shown = node;
  for (const [name, tag] of Object.entries(STYLES)) if (leaf.style?.[name]) shown = el(tag, {}, shown);
  return shown;
}
