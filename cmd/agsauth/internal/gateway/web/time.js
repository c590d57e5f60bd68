// Spans and instants as text. All functions are pure; spans are in milliseconds.

const units = {h: 3600e3, m: 60e3, s: 1e3, ms: 1, 'µs': 1e-3, ns: 1e-6};

// parseSpan returns a duration as Go writes it, like "1h0m0.5s".
export function parseSpan(text) {
  let span = 0;
  for (const [, value, unit] of text.matchAll(/([\d.]+)(h|ms|µs|ns|m|s)/g)) {
    span += Number(value) * units[unit];
  }
  return text.startsWith('-') ? -span : span;
}

const sizes = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];

// spell returns a span that is not negative in its two largest units, rounded down.
export function spell(span) {
  if (span < 10e3) {
    return `${(Math.floor(span / 100) / 10).toFixed(1)} s`;
  }
  const seconds = Math.floor(span / 1e3);
  const first = sizes.findIndex(([size]) => seconds >= size);
  const [size, unit] = sizes[first];
  const text = `${Math.floor(seconds / size)} ${unit}`;
  const next = sizes[first + 1];
  return next ? `${text} ${Math.floor(seconds % size / next[0])} ${next[1]}` : text;
}

// spellShort is spell without a second unit that is zero.
export function spellShort(span) {
  return spell(span).replace(/\.0 s$/, ' s').replace(/ 0 \w+$/, '');
}

// ago returns how long ago an instant was.
export function ago(at, now) {
  const span = Math.max(0, now - at);
  return span < 1e3 ? 'just now' : `${span < 10e3 ? `${Math.floor(span / 1e3)} s` : spell(span)} ago`;
}

// timeOfDay returns the time of an instant in UTC, to the millisecond if precise.
export function timeOfDay(at, precise) {
  return new Date(at).toISOString().slice(11, precise ? 23 : 19);
}

// dateTime returns an instant in UTC, to the second.
export function dateTime(at) {
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
