// The page: who is acting, where they look, and the stream that keeps it true.

import * as api from "./api.js";
import { blocks } from "./blocks.js";
import * as composer from "./composer.js";
import { announce, byId, el } from "./dom.js";
import * as messages from "./messages.js";
import * as modal from "./modal.js";
import * as panel from "./panel.js";
import * as ownLog from "./own_log.js";
import { store } from "./store.js";

const START = "U07MARA0001";
const HOME = "home";
let place = location.hash.slice(1);
let stream = null;
let unseen = new Set();

async function become(user) {
  sessionStorage.setItem("acting", user);
  stream?.close();
  unseen = new Set();
  // What arrives while everything is being read waits: the answer on its way may be older than it.
  let waiting = [];
  const orLater = (take) => (what) => (waiting ? waiting.push(() => take(what)) : take(what));
  stream = api.listen(user, {
    // After each (re)connection everything is read again: nothing that happened meanwhile is missed.
    open: async () => {
      waiting = [];
      await load(user);
      const arrived = waiting;
      waiting = null;
      for (const take of arrived) take();
      connection("Live");
    },
    lost: () => connection("Connection lost, trying again"),
    message: orLater(takeMessage),
    view: orLater(takeView),
    playing: orLater(panel.playing),
    time: orLater(takeTime),
  });
}

function takeMessage(message) {
  store.take(message);
  if (message.channel === place) drawLog();
  else if (!message.edited && !message.deleted) unseen.add(message.channel);
  drawPlaces();
}

function takeView(view) {
  store.takeView(view);
  modal.draw();
  if (view.type === "home" && place === HOME) drawHome();
}

// Another day: what "today" and "in 3 days" mean has changed everywhere.
function takeTime(time) {
  store.time = time;
  panel.drawTime();
  if (place === HOME) drawHome();
  else drawLog();
}

async function load(user) {
  const state = await api.state(user);
  // Somebody else may be acting by now.
  if (sessionStorage.getItem("acting") !== user) return;
  store.load(state);
  const known = place === HOME || store.channel(place);
  if (!known) place = store.channels[0].id;
  drawActing();
  panel.draw();
  modal.draw();
  go(place);
}

function connection(text) {
  const shown = byId("connection");
  shown.textContent = text;
  shown.classList.toggle("live", text === "Live");
}

function go(to) {
  const moved = place !== to;
  place = to;
  unseen.delete(to);
  history.replaceState(null, "", `#${to}`);
  const home = to === HOME;
  byId("log").hidden = byId("composer").hidden = home;
  byId("home").hidden = !home;
  byId("newer").hidden = true;
  const channel = store.channel(to);
  byId("place-name").textContent = home ? "Tokenwatch · Home" : channel.dm ? "Tokenwatch · Messages" : `# ${channel.name}`;
  byId("place-topic").textContent = home ? "What the app shows you and nobody else" : channel.dm ? "Between you and the app" : channel.topic;
  if (home) {
    drawHome();
    if (moved || !store.home) api.openHome({ user: store.me });
  } else {
    drawLog();
  }
  drawPlaces();
}

function drawPlaces() {
  const entry = (id, name) =>
    el("li", {}, el("button", { type: "button", class: unseen.has(id) ? "unseen" : "", "aria-current": id === place ? "page" : null, onclick: () => go(id) },
      name, unseen.has(id) && el("span", { class: "hidden" }, " (new messages)")));
  byId("channels").replaceChildren(...store.channels.filter((one) => !one.dm).map((one) => entry(one.id, `# ${one.name}`)));
  byId("app-places").replaceChildren(entry(HOME, "Home"), entry(store.dm, "Messages"));
}

function drawActing() {
  const select = byId("acting");
  const people = store.people.filter((one) => !one.bot);
  select.replaceChildren(...people.map((one) => el("option", { value: one.id, selected: one.id === store.me }, one.real_name)));
  byId("acting-title").textContent = store.person(store.me).title + (store.person(store.me).guest ? ", guest" : "");
}

function drawLog() {
  messages.draw(place, act, (one, message) => run({ callback: one.callback_id, channel: message.channel, ts: message.ts }));
}

function drawHome() {
  const view = store.home;
  const holder = byId("home");
  if (!view) {
    holder.replaceChildren(el("p", { class: "empty" }, "The app has not drawn this yet."));
    return;
  }
  const surface = {
    names: store.names,
    act: (block, element, value) => tell({ view: view.id, action: element.action_id, block: block.block_id, value }),
  };
  holder.replaceChildren(blocks(view.blocks, surface));
}

function act(message, block, element, value) {
  return tell({ channel: message.channel, ts: message.ts, action: element.action_id, block: block.block_id, value });
}

async function tell(what) {
  const answer = await api.click({ user: store.me, ...what });
  byId("composer-note").textContent = answer.error ?? "";
  if (answer.error) announce(answer.error);
}

async function run(what) {
  const answer = await api.shortcut({ user: store.me, ...what });
  byId("composer-note").textContent = answer.error ?? "";
}

byId("acting").addEventListener("change", (event) => become(event.target.value));
composer.start(() => place, messages.follow);
messages.start();
panel.start(run);
ownLog.start();
become(sessionStorage.getItem("acting") ?? START);
