// A menu behind a button: arrows move, Enter chooses, Escape closes and gives the focus back.

import { el, freshId, safeLink } from "./dom.js";
import { emojified } from "./mrkdwn.js";

export function menu(label, entries, attributes = {}) {
  const id = freshId("menu");
  const items = entries.map((entry) =>
    el("button", { type: "button", role: "menuitem", tabindex: "-1", onclick: () => { shut(true); entry.choose(); } }, entry.label));
  const list = el("div", { id, role: "menu", class: "menu", hidden: true, "aria-label": label }, items);
  const opener = el("button", { type: "button", class: "plain button", "aria-haspopup": "menu", "aria-expanded": "false", "aria-controls": id, "aria-label": label, ...attributes }, "⋯");
  const holder = el("div", { class: "menu-holder" }, opener, list);

  function show() {
    list.hidden = false;
    opener.setAttribute("aria-expanded", "true");
    items[0]?.focus();
    document.addEventListener("pointerdown", outside);
  }
  function shut(back) {
    list.hidden = true;
    opener.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", outside);
    if (back) opener.focus();
  }
  function outside(event) {
    if (!holder.contains(event.target)) shut(false);
  }
  opener.addEventListener("click", () => (list.hidden ? show() : shut(true)));
  list.addEventListener("keydown", (event) => {
    const at = items.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      items[(to + items.length) % items.length].focus();
    } else if (event.key === "Escape" || event.key === "Tab") {
      event.stopPropagation();
      shut(event.key === "Escape");
    }
  });
  return holder;
}

export function overflow(element, tell) {
  const entries = element.options.map((option) => ({
    label: emojified(option.text.text),
    choose: () => {
      if (option.url && safeLink(option.url)) window.open(option.url, "_blank", "noopener");
      tell(option.value);
    },
  }));
  return menu("More actions", entries, { "data-action": element.action_id });
}
