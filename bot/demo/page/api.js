// Talking to the sandbox server: one place for fetch and for the event stream.

async function post(name, body) {
  const answer = await fetch(`/api/${name}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) return { error: `The sandbox answered ${answer.status}: ${await answer.text()}` };
  return answer.json();
}

export const say = (body) => post("say", body);
export const click = (body) => post("click", body);
export const submit = (body) => post("submit", body);
export const close = (body) => post("close", body);
export const openHome = (body) => post("home", body);
export const shortcut = (body) => post("shortcut", body);
export const suggest = (body) => post("suggest", body);
export const play = (id) => post("play", { id });
export const travel = (to) => post("travel", { to });
export const diagnose = (log) => post("diagnose", { log });

export async function state(user) {
  const answer = await fetch(`/api/state?user=${encodeURIComponent(user)}`);
  return answer.json();
}

// Calls on[kind](data) for each change; on.open after each (re)connection, on.lost when it breaks.
export function listen(user, on) {
  const source = new EventSource(`/api/events?user=${encodeURIComponent(user)}`);
  source.addEventListener("hello", () => on.open());
  source.addEventListener("error", () => on.lost());
  for (const kind of ["message", "view", "playing", "time"]) {
    source.addEventListener(kind, (event) => on[kind](JSON.parse(event.data)));
  }
  return source;
}
