// Round numbers for the axes of charts.

/** The smallest round number that is not below a value: 1, 2, 2.5 or 5 times a power of ten. */
export function roundUp(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10].find((step) => step * power >= value * 0.9999);
  return factor * power;
}

/** Where a duration lies on a logarithmic scale, from 0 to 1. */
export function logPlace(value, least, most) {
  const place = (number) => Math.log10(Math.max(number, 0.1));
  const span = place(most) - place(least);
  return span > 0 ? Math.min(1, Math.max(0, (place(value) - place(least)) / span)) : 0.5;
}
