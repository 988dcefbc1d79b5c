// The markdown block: headings, lists, quotes, fences, and inline bold, italic, strike, code and links.

import { el } from "./dom.js";
import { link } from "./mrkdwn.js";

export function markdown(text) {
  const out = el("div", { class: "markdown" });
  const all = text.split("\n");
  let list = null;
  for (let at = 0; at < all.length; at += 1) {
    const line = all[at];
    const fence = /^```/.test(line);
    const item = /^\s*(?:([-*+])|(\d+)\.)\s+(.*)$/.exec(line);
    if (!item) list = null;
    if (fence) {
      const body = [];
      for (at += 1; at < all.length && !/^```/.test(all[at]); at += 1) body.push(all[at]);
      out.append(el("pre", {}, el("code", {}, body.join("\n"))));
    } else if (item) {
      const kind = item[1] ? "UL" : "OL";
      if (list?.tagName !== kind) out.append((list = el(kind)));
      list.append(inline(item[3], el("li")));
    } else if (/^#{1,6}\s/.test(line)) {
      out.append(inline(line.replace(/^#+\s*/, ""), el("p", { class: "heading" })));
    } else if (/^>\s?/.test(line)) {
      out.append(inline(line.replace(/^>\s?/, ""), el("blockquote")));
    } else if (line.trim()) {
      out.append(inline(line, el("p")));
    }
  }
  return out;
}

const TOKEN = /`([^`]+)`|\*\*(\S(?:.*?\S)?)\*\*|\*(\S(?:[^*]*?\S)?)\*|~~(\S(?:.*?\S)?)~~|\[([^\]]+)\]\(([^)\s]+)\)/;

function inline(text, parent) {
  let rest = text;
  let found = TOKEN.exec(rest);
  while (found) {
    parent.append(document.createTextNode(rest.slice(0, found.index)));
    if (found[1] !== undefined) parent.append(el("code", {}, found[1]));
    else if (found[2] !== undefined) parent.append(inline(found[2], el("strong")));
    else if (found[3] !== undefined) parent.append(inline(found[3], el("em")));
    else if (found[4] !== undefined) parent.append(inline(found[4], el("s")));
    else parent.append(link(found[6], found[5]));
    rest = rest.slice(found.index + found[0].length);
    found = TOKEN.exec(rest);
  }
  parent.append(document.createTextNode(rest));
  return parent;
}
