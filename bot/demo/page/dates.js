// Times as the reader's own zone shows them.

const DAY_MS = 86_400_000;
let aheadMs = 0;

// The sandbox may have travelled in time; "today" is its today.
export const travelled = (ms) => { aheadMs = ms; };
const now = () => Date.now() + aheadMs;

function dayDistance(at) {
  const start = (date) => new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
  return Math.round((start(at) - start(new Date(now()))) / DAY_MS);
}

const shape = (options) => (at) => new Intl.DateTimeFormat("en-GB", options).format(at);
const time = shape({ hour: "2-digit", minute: "2-digit" });
const plain = {
  date_num: shape({ year: "numeric", month: "2-digit", day: "2-digit" }),
  date: shape({ year: "numeric", month: "long", day: "numeric" }),
  date_short: shape({ year: "numeric", month: "short", day: "numeric" }),
  date_long: shape({ weekday: "long", year: "numeric", month: "long", day: "numeric" }),
  time,
  time_secs: shape({ hour: "2-digit", minute: "2-digit", second: "2-digit" }),
};

function pretty(at, name) {
  const near = { "-1": "yesterday", 0: "today", 1: "tomorrow" }[dayDistance(at)];
  return near ?? plain[name](at);
}

export function ago(at) {
  const seconds = (at.getTime() - now()) / 1000;
  const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (Math.abs(seconds) >= size) return words.format(Math.round(seconds / size), unit);
  }
  return "just now";
}

// `{date_short_pretty} at {time}` filled in; an unknown name stays as it is.
export function filled(format, at) {
  return format.replace(/\{(\w+)\}/g, (whole, name) => {
    if (name === "ago") return ago(at);
    if (name in plain) return plain[name](at);
    if (name.endsWith("_pretty") && name.slice(0, -7) in plain) return pretty(at, name.slice(0, -7));
    return whole;
  });
}

// The sandbox's time now, as a whole sentence.
export const present = () => `${plain.date_long(now())}, ${time(now())}`;

export const clock = (ts) => time(new Date(Number(ts) * 1000));
export const full = (ts) => plain.date_long(new Date(Number(ts) * 1000)) + ", " + plain.time_secs(new Date(Number(ts) * 1000));

export function day(ts) {
  const at = new Date(Number(ts) * 1000);
  const words = pretty(at, "date_long");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
