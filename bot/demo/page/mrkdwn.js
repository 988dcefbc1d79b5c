// Slack's mrkdwn as DOM: bold, italic, strike, code, quotes, links, mentions, dates. Never as HTML.

import { filled } from "./dates.js";
import { el, safeLink } from "./dom.js";

const EMOJI = {
  white_check_mark: "✅", heavy_check_mark: "✔️", x: "❌", warning: "⚠️", key: "🔑", lock: "🔒", rotating_light: "🚨",
  eyes: "👀", hourglass: "⌛", zzz: "💤", bell: "🔔", no_bell: "🔕", package: "📦", link: "🔗", bulb: "💡",
  red_circle: "🔴", large_green_circle: "🟢", large_yellow_circle: "🟡", white_circle: "⚪", wave: "👋", tada: "🎉",
};
const MARKS = { "*": "strong", _: "em", "~": "s" };
const decode = (text) => text.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");

// A text object of Slack's, in a span.
export function textObject(text, names) {
  const holder = el("span", { class: "text" });
  if (text?.type === "mrkdwn") holder.append(mrkdwn(text.text, names));
  else holder.append(document.createTextNode(emojified(text?.text ?? "")));
  return holder;
}

export function emojified(text) {
  return text.replace(/:([a-z0-9_+-]+):/g, (whole, name) => EMOJI[name] ?? whole);
}

// `names` turns ids into names: names.user(id), names.channel(id).
export function mrkdwn(text, names) {
  const out = document.createDocumentFragment();
  // Fenced code first: nothing inside it is markup.
  text.split(/```/).forEach((piece, place) => {
    if (place % 2 === 1) out.append(el("pre", {}, el("code", {}, decode(piece.replace(/^\n|\n$/g, "")))));
    else lines(piece, out, names);
  });
  return out;
}

function lines(text, out, names) {
  let quote = null;
  const all = text.replace(/^\n/, "").split("\n");
  all.forEach((line, place) => {
    const quoted = /^&gt; ?/.exec(line);
    if (quoted) {
      if (!quote) out.append((quote = el("blockquote")));
      else quote.append(el("br"));
      inline(line.slice(quoted[0].length), quote, names);
      return;
    }
    const wasQuote = quote !== null;
    quote = null;
    if (place > 0 && !wasQuote) out.append(el("br"));
    inline(line, out, names);
  });
}

const TOKEN = /`([^`\n]+)`|<([^<>\n]+)>|(?<![\p{L}\p{N}_])([*_~])(?=\S)((?:[^\n](?!\3))*?[^\s\n])\3(?![\p{L}\p{N}])/u;

function inline(text, out, names) {
  let rest = text;
  while (rest) {
    const found = TOKEN.exec(rest);
    if (!found) break;
    out.append(document.createTextNode(emojified(decode(rest.slice(0, found.index)))));
    if (found[1] !== undefined) out.append(el("code", {}, decode(found[1])));
    else if (found[2] !== undefined) out.append(special(found[2], names));
    else {
      const marked = el(MARKS[found[3]]);
      inline(found[4], marked, names);
      out.append(marked);
    }
    rest = rest.slice(found.index + found[0].length);
  }
  if (rest) out.append(document.createTextNode(emojified(decode(rest))));
}

function special(inside, names) {
  const [target, label] = split(inside, "|");
  if (target.startsWith("@")) return el("span", { class: "mention" }, "@" + (names.user(target.slice(1)) ?? label ?? target.slice(1)));
  if (target.startsWith("#")) return el("span", { class: "mention" }, "#" + (names.channel(target.slice(1)) ?? label ?? target.slice(1)));
  if (target.startsWith("!date^")) return date(target, label);
  if (target.startsWith("!subteam^")) return el("span", { class: "mention" }, label ? decode(label) : "@" + target.slice(9));
  if (target.startsWith("!")) return el("span", { class: "mention loud" }, "@" + target.slice(1));
  return link(decode(target), label ? decode(label) : decode(target));
}

export function link(url, label) {
  const href = safeLink(url);
  if (!href) return document.createTextNode(label);
  return el("a", { href, target: "_blank", rel: "noopener noreferrer" }, label);
}

function date(target, label) {
  const [, epoch, format = "", url] = target.split("^");
  const at = new Date(Number(epoch) * 1000);
  if (Number.isNaN(at.getTime())) return document.createTextNode(decode(label ?? ""));
  const shown = el("time", { datetime: at.toISOString(), title: decode(label ?? "") }, filled(decode(format), at));
  return url && safeLink(url) ? el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, shown) : shown;
}

function split(text, mark) {
  const at = text.indexOf(mark);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
