// @ts-check
// The arithmetic of the page "How good is this?". No DOM.

/** @typedef {[string, string, string, string]} Line part, what, value, note */

/** Figures of several panels, one row for each thing that any of them tells, in the order of the first that does.
 * @param {Line[][]} panels */
export function sideBySide(panels) {
  /** @type {Map<string, ({ value: string, note: string } | null)[]>} */
  const rows = new Map();
  const parts = [...new Set(panels.flat().map(([part]) => part))];
  for (const part of parts)
    for (const [i, lines] of panels.entries())
      for (const [of, what, value, note] of lines) {
        if (of !== part) continue;
        if (!rows.has(what)) rows.set(what, panels.map(() => null)); // prettier-ignore
        const cells = rows.get(what);
        if (cells) cells[i] = { value, note };
      }
  return [...rows].map(([what, cells]) => ({ what, cells }));
}

/** How many values lie in each of `n` bins of [0, 1]. @param {number[]} values @param {number} n */
export function histogram(values, n) {
  const bins = new Array(n).fill(0);
  for (const value of values) bins[Math.min(n - 1, Math.floor(value * n))] += 1;
  return bins;
}

/** Decades from the one at or below `low` to the one at or above `high`. @param {number} low @param {number} high */
export function decades(low, high) {
  const [from, to] = [Math.floor(Math.log10(low) + 1e-9), Math.ceil(Math.log10(high) - 1e-9)];
  return Array.from({ length: Math.max(1, to - from) + 1 }, (_, i) => Number(`1e${from + i}`));
}

/** Share of all events that are flagged within so many seconds, as corners of a step curve.
 * @param {number[]} latencies_s from low to high @param {number} n_events @param {number} end_s */
export function flaggedWithin(latencies_s, n_events, end_s) {
  /** @type {[number, number][]} */
  const corners = [[0, 0]];
  for (const [i, latency] of latencies_s.entries()) {
    if (latency > end_s) break;
    corners.push([latency, i / n_events], [latency, (i + 1) / n_events]);
  }
  return [...corners, [end_s, corners[corners.length - 1][1]]];
}
