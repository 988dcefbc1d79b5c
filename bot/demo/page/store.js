// What the page knows: one person's view of the workspace, kept up to date by the event stream.

let known = { people: [], channels: [], messages: [], views: [], playables: [], verbs: [], shortcuts: [] };
let messages = new Map();

export const store = {
  load(state) {
    known = state;
    messages = new Map(state.messages.map((message) => [key(message), message]));
  },
  take(message) {
    if (message.deleted) messages.delete(key(message));
    else messages.set(key(message), message);
  },
  takeView(view) {
    if (view.type === "home") {
      known.home = view;
      return;
    }
    const others = known.views.filter((one) => one.id !== view.id);
    const place = known.views.findIndex((one) => one.id === view.id);
    if (view.closed) known.views = others;
    else if (place >= 0) known.views[place] = view;
    else known.views = [...others, view];
  },
  get me() { return known.me; },
  get dm() { return known.dm; },
  get home() { return known.home; },
  get views() { return known.views; },
  get channels() { return known.channels; },
  get people() { return known.people; },
  get playables() { return known.playables; },
  get verbs() { return known.verbs; },
  get command() { return known.command; },
  get time() { return known.time; },
  set time(time) { known.time = time; },
  shortcuts: (kind) => known.shortcuts.filter((one) => one.kind === kind),
  person: (id) => known.people.find((one) => one.id === id),
  channel: (id) => known.channels.find((one) => one.id === id),
  messages: (channel) =>
    [...messages.values()].filter((one) => one.channel === channel).sort((a, b) => Number(a.ts) - Number(b.ts)),
  names: {
    user: (id) => known.people.find((one) => one.id === id)?.real_name,
    channel: (id) => known.channels.find((one) => one.id === id)?.name,
    people: () => known.people.filter((one) => !one.bot),
    channels: () => known.channels.filter((one) => !one.dm),
  },
};

const key = (message) => `${message.channel} ${message.ts}`;
