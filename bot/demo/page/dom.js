// Building elements. Text from outside only ever becomes a text node.

export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "class") made.className = value;
    else if (key === "value" || key === "checked" || key === "selected") made[key] = value;
    else made.setAttribute(key, value === true ? "" : String(value));
  }
  add(made, children);
  return made;
}

export function add(parent, children) {
  for (const child of children.flat()) {
    if (child === undefined || child === null || child === false || child === "") continue;
    parent.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return parent;
}

export const byId = (id) => document.getElementById(id);

let last = 0;
export const freshId = (name) => `${name}-${(last += 1)}`;

// Only what a person may follow; anything else stays text.
export function safeLink(url) {
  return /^(https?:|mailto:)/i.test(url) ? url : null;
}

export function announce(text) {
  byId("announcer").textContent = text;
}
