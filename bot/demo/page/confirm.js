// "Are you sure?" before an element acts, in the element's own words.

import { el, freshId } from "./dom.js";
import { textObject } from "./mrkdwn.js";

export function confirmed(words, names) {
  return new Promise((settle) => {
    const title = freshId("confirm");
    const answer = (value) => () => {
      dialog.close();
      settle(value);
    };
    const dialog = el("dialog", { class: "modal small", "aria-labelledby": title, oncancel: () => settle(false) },
      el("h2", { id: title }, words.title.text),
      el("div", { class: "modal-body" }, textObject(words.text, names)),
      el("div", { class: "modal-foot" },
        el("button", { type: "button", class: "plain button", onclick: answer(false) }, words.deny.text),
        el("button", { type: "button", class: words.style === "danger" ? "danger button" : "primary button", onclick: answer(true) }, words.confirm.text)));
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  });
}
