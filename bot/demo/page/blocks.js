// Block Kit as DOM. `surface` says what a block may do: names, act(block, element, value), and what fields hold.

import { el, freshId, safeLink } from "./dom.js";
import { field, interactive } from "./elements.js";
import { markdown } from "./markdown.js";
import { textObject } from "./mrkdwn.js";
import { richText } from "./rich_text.js";

export function blocks(all, surface) {
  const out = document.createDocumentFragment();
  (all ?? []).forEach((block, place) => out.append(one({ ...block, block_id: block.block_id ?? `auto${place}` }, surface)));
  return out;
}

const KINDS = {
  actions: (block, surface) =>
    el("div", { class: "actions" }, block.elements.map((element) => interactive(block, element, surface))),
  context: (block, surface) =>
    el("div", { class: "context" }, block.elements.map((part) =>
      part.type === "image" ? picture(part) : el("span", {}, textObject(part, surface.names)))),
  divider: () => el("hr"),
  header: (block, surface) => el("h3", { class: "header" }, textObject(block.text, surface.names)),
  image: (block) => el("figure", {}, picture(block), block.title && el("figcaption", {}, block.title.text)),
  input: (block, surface) => field(block, surface),
  markdown: (block) => markdown(block.text),
  rich_text: (block, surface) => richText(block, surface.names),
  section,
  table,
};

function one(block, surface) {
  const make = KINDS[block.type];
  const shown = make ? make(block, surface) : el("p", { class: "quiet" }, `[${block.type}: not drawn in the sandbox]`);
  shown.classList.add("block");
  return shown;
}

function section(block, surface) {
  const body = el("div", { class: "section-body" });
  if (block.text) body.append(el("div", {}, textObject(block.text, surface.names)));
  if (block.fields) {
    body.append(el("div", { class: "fields" }, block.fields.map((text) => el("div", {}, textObject(text, surface.names)))));
  }
  const accessory = block.accessory;
  const shown = el("div", { class: "section" }, body);
  if (accessory?.type === "image") shown.append(picture(accessory));
  else if (accessory) shown.append(el("div", { class: "accessory" }, interactive(block, accessory, surface)));
  return shown;
}

// A picture from outside would be a request beyond this machine: its description stands for it.
function picture(image) {
  const url = image.image_url ?? "";
  const local = url.startsWith("data:image/") || (safeLink(url) && new URL(url).host === location.host);
  if (local) return el("img", { src: url, alt: image.alt_text });
  return el("span", { class: "picture", role: "img", "aria-label": image.alt_text }, image.alt_text);
}

function table(block, surface) {
  const align = (place) => `align-${block.column_settings?.[place]?.align ?? "left"}`;
  const cell = (tag, one, place) =>
    el(tag, { class: align(place), scope: tag === "th" ? "col" : null },
      one.type === "rich_text" ? richText(one, surface.names) : String(one.text ?? one.value ?? ""));
  const [head = [], ...rows] = block.rows;
  const caption = freshId("table");
  return el("div", { class: "table", role: "region", "aria-labelledby": caption, tabindex: "0" },
    el("span", { id: caption, class: "hidden" }, "Table"),
    el("table", {},
      el("thead", {}, el("tr", {}, head.map((one, place) => cell("th", one, place)))),
      el("tbody", {}, rows.map((row) => el("tr", {}, row.map((one, place) => cell("td", one, place)))))));
}
