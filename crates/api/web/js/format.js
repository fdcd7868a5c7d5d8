// How numbers, times and sizes read.

const whole = new Intl.NumberFormat('en-US');
const short = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });

/** `12,345`. */
export const count = (number) => whole.format(number ?? 0);

/** `12.3K`, for where there is little room. */
export const compact = (number) => (Math.abs(number ?? 0) < 10_000 ? count(Math.round(number ?? 0)) : short.format(number));

/** A rate: `0.4`, `38.2`, `1,204`. */
export function rate(number) {
  const value = number ?? 0;
  if (value === 0) return '0';
  if (value < 0.1) return '<0.1';
  return value < 100 ? value.toFixed(1) : compact(value);
}

/** `62 %`; never 100 before it is all, never 0 when there is some. */
export function percent(part, all) {
  if (!all) return '0 %';
  const share = (part / all) * 100;
  if (part > 0 && share < 0.1) return '<0.1 %';
  if (part < all && share > 99.9) return '99.9 %';
  return `${share < 10 && share % 1 !== 0 ? share.toFixed(1) : Math.floor(share)} %`;
}

/** `1.4 GiB`. */
export function bytes(number) {
  let value = number ?? 0;
  let unit = 0;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** A duration in its two largest units: `3 h 12 min`, `48 s`. */
export function duration(seconds) {
  const total = Math.max(0, Math.round(seconds ?? 0));
  if (total < 60) return `${total} s`;
  const days = Math.floor(total / 86_400);
  const hours = Math.floor((total % 86_400) / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  if (days > 0) return hours ? `${days} d ${hours} h` : `${days} d`;
  if (hours > 0) return minutes ? `${hours} h ${minutes} min` : `${hours} h`;
  const rest = total % 60;
  return rest && minutes < 10 ? `${minutes} min ${rest} s` : `${minutes} min`;
}

/** Milliseconds as people say them: `840 ms`, `1.8 s`. */
export function milliseconds(number) {
  if (number === null || number === undefined) return '–';
  if (number < 1000) return `${Math.round(number)} ms`;
  return number < 60_000 ? `${(number / 1000).toFixed(1)} s` : duration(number / 1000);
}

/** `just now`, `4 min ago`, `in 3 h`. */
export function ago(seconds, now = Date.now() / 1000) {
  const passed = now - seconds;
  if (Math.abs(passed) < 5) return 'just now';
  const [first] = duration(Math.abs(passed)).split(/(?<=[a-z]) /);
  return passed > 0 ? `${first} ago` : `in ${first}`;
}

/** Date and time of day. */
export const instant = (seconds) => (seconds ? clock.format(new Date(seconds * 1000)) : '–');

/** One or many: `1 line`, `3 lines`. */
export const many = (number, one, more = `${one}s`) => `${count(number)} ${number === 1 ? one : more}`;
