// Interactive elements and form fields. In a message an element acts when used; in a form it holds a value.
//
// `surface.act(block, element, value)` tells the bot; `surface.hold(element, read)` registers how a form reads a value;
// `surface.held(block, element)` is what the field already holds.

import { confirmed } from "./confirm.js";
import { el, freshId, safeLink } from "./dom.js";
import { overflow } from "./menu.js";
import { emojified, textObject } from "./mrkdwn.js";

export const optionsOf = (element) => [
  ...(element.options ?? []),
  ...(element.option_groups ?? []).flatMap((group) => group.options),
];

// An element outside an input block: pressing or choosing tells the bot at once.
export function interactive(block, element, surface) {
  const tell = async (value) => {
    if (element.confirm && !(await confirmed(element.confirm, surface.names))) return;
    surface.act(block, element, value);
  };
  if (element.type === "button" || element.type === "workflow_button") return button(element, tell);
  if (element.type === "overflow") return overflow(element, tell);
  const label = element.placeholder?.text ?? "Choose";
  return control(block, element, surface, { label, change: tell });
}

function button(element, tell) {
  const kind = { primary: "primary", danger: "danger" }[element.style] ?? "plain";
  const label = emojified(element.text.text);
  const common = { class: `${kind} button`, "aria-label": element.accessibility_label, "data-action": element.action_id };
  if (element.url && safeLink(element.url)) {
    return el("a", { ...common, href: element.url, target: "_blank", rel: "noopener noreferrer", onclick: () => tell() }, label);
  }
  return el("button", { ...common, type: "button", onclick: () => tell() }, label);
}

// An input block: label, field, hint, and the place where its error stands.
export function field(block, surface) {
  const element = block.element;
  const id = freshId("field");
  const notes = [`${id}-error`];
  if (block.hint) notes.unshift(`${id}-hint`);
  const grouped = ["checkboxes", "radio_buttons", "multi_static_select", "multi_users_select"].includes(element.type);
  const words = [block.label.text, block.optional ? el("span", { class: "quiet" }, " (optional)") : null];
  const change = block.dispatch_action ? (value) => surface.act(block, element, value) : null;
  const made = control(block, element, surface, { id, describedBy: notes.join(" "), change, required: !block.optional });
  const error = el("p", { id: `${id}-error`, class: "error", "data-error": block.block_id });
  const hint = block.hint && el("p", { id: `${id}-hint`, class: "quiet" }, block.hint.text);
  if (grouped) return el("fieldset", { class: "field", "aria-describedby": notes.join(" ") }, el("legend", {}, words), made, hint, error);
  return el("div", { class: "field" }, el("label", { for: id }, words), made, hint, error);
}

function control(block, element, surface, how) {
  const held = surface.held?.(block, element);
  const make = CONTROLS[element.type];
  if (!make) return el("p", { class: "quiet" }, `[${element.type}: not drawn in the sandbox]`);
  const { node, read } = make(element, held, { ...how, surface });
  surface.hold?.(block, element, read);
  node.addEventListener("change", () => how.change?.(read()));
  // While typing, not on leaving the field: an error that vanishes under a pressed mouse moves what it was aimed at.
  node.addEventListener("input", () => surface.touched?.(block));
  return node;
}

const common = (element, how) => ({
  id: how.id,
  "aria-label": how.label,
  "aria-describedby": how.describedBy,
  "aria-required": how.required ? "true" : null,
  "data-action": element.action_id,
  autofocus: element.focus_on_load,
});

const TEXT_TYPES = { email_text_input: "email", url_text_input: "url", number_input: "text" };

const CONTROLS = {
  plain_text_input: words,
  email_text_input: words,
  url_text_input: words,
  number_input: words,
  static_select: (element, held, how) => select(element, held, how, groups(element)),
  external_select: typed,
  users_select: (element, held, how) => select(element, held ?? element.initial_user, how, people(how)),
  conversations_select: (element, held, how) => select(element, held ?? element.initial_conversation, how, places(how)),
  channels_select: (element, held, how) => select(element, held ?? element.initial_channel, how, places(how)),
  multi_static_select: (element, held, how) => choices(element, held ?? initial(element), how, optionsOf(element), "checkbox"),
  multi_users_select: (element, held, how) =>
    choices(element, held ?? element.initial_users ?? [], how, people(how)[0].options, "checkbox"),
  checkboxes: (element, held, how) => choices(element, held ?? initial(element), how, element.options, "checkbox"),
  radio_buttons: (element, held, how) =>
    choices(element, held ?? [element.initial_option?.value], how, element.options, "radio"),
  datepicker: (element, held, how) => dated(element, held ?? element.initial_date, how, "date"),
  timepicker: (element, held, how) => dated(element, held ?? element.initial_time, how, "time"),
  datetimepicker: epoch,
};

const initial = (element) => (element.initial_options ?? []).map((option) => option.value);

function words(element, held, how) {
  const attributes = {
    ...common(element, how),
    maxlength: element.max_length ?? 3000,
    placeholder: element.placeholder?.text,
    value: held ?? element.initial_value ?? "",
  };
  const node = element.multiline
    ? el("textarea", { ...attributes, rows: "4" })
    : el("input", { ...attributes, type: TEXT_TYPES[element.type] ?? "text", inputmode: element.type === "number_input" ? "decimal" : null });
  return { node, read: () => node.value };
}

function option(value, label, chosen) {
  return el("option", { value, selected: value === chosen }, emojified(label));
}

function groups(element) {
  if (element.option_groups) return element.option_groups.map((group) => ({ label: group.label.text, options: group.options }));
  return [{ options: element.options ?? [] }];
}

const people = (how) => [{ options: how.surface.names.people().map((one) => ({ value: one.id, text: { text: one.real_name } })) }];
const places = (how) => [{ options: how.surface.names.channels().map((one) => ({ value: one.id, text: { text: "#" + one.name } })) }];

function select(element, held, how, parts) {
  const chosen = held ?? element.initial_option?.value ?? "";
  const node = el("select", common(element, how), option("", element.placeholder?.text ?? "Choose one", chosen));
  for (const part of parts) {
    const made = part.options.map((one) => option(one.value, one.text.text, chosen));
    node.append(...(part.label ? [el("optgroup", { label: part.label }, made)] : made));
  }
  return { node, read: () => node.value || null };
}

function choices(element, held, how, all, type) {
  const name = freshId("choice");
  const boxes = all.map((one) => el("input", { type, name, value: one.value, checked: held.includes(one.value), "data-action": element.action_id }));
  const node = el("div", { class: "choices", role: type === "radio" ? "radiogroup" : "group", "aria-label": how.label },
    all.map((one, place) => el("label", {}, boxes[place], el("span", {}, textObject(one.text, how.surface.names),
      one.description && el("span", { class: "quiet block" }, textObject(one.description, how.surface.names))))));
  const read = () => boxes.filter((box) => box.checked).map((box) => box.value);
  return { node, read: type === "radio" ? () => read()[0] ?? null : read };
}

function dated(element, held, how, type) {
  const node = el("input", { ...common(element, how), type, value: held ?? "" });
  return { node, read: () => node.value || null };
}

function epoch(element, held, how) {
  const start = held ?? element.initial_date_time;
  const local = start ? new Date(start * 1000 - new Date(start * 1000).getTimezoneOffset() * 60_000).toISOString().slice(0, 16) : "";
  const node = el("input", { ...common(element, how), type: "datetime-local", value: local });
  return { node, read: () => (node.value ? Math.floor(new Date(node.value).getTime() / 1000) : null) };
}

// An external select: the bot is asked while the person types.
function typed(element, held, how) {
  const list = freshId("suggested");
  const known = new Map();
  const offers = el("datalist", { id: list });
  const input = el("input", { ...common(element, how), list, placeholder: element.placeholder?.text, value: held ?? element.initial_option?.text.text ?? "" });
  input.addEventListener("input", async () => {
    if (input.value.length < (element.min_query_length ?? 3)) return;
    for (const one of await how.surface.suggest(element, input.value)) {
      if (known.has(one.text.text)) continue;
      known.set(one.text.text, one.value);
      offers.append(el("option", { value: one.text.text }));
    }
  });
  const start = element.initial_option;
  if (start) known.set(start.text.text, start.value);
  return { node: el("div", {}, input, offers), read: () => known.get(input.value) ?? null };
}
