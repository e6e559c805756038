// @ts-check
// What `class_runs` of cmhkf/segments.py does, here as well: a segment's classes over time, where they change. No DOM.
import { nameOf, snippetsBetween, timeOf } from './cut.js';

/** @typedef {{ label: string, start_s: number, end_s: number }} ClassRun */

const [RUN_S, RUN_SNIPPETS] = [2, 2]; // a class that is the strongest for less, in a row, is noise
const RUN_SHARE = 0.5; // of the anomaly classes, where no least share was measured

/**
 * The classes that last in a mark, in order of time; none where it is but its own, or the one that a person gave it.
 * @param {import('./cut.js').Curves | null} curves
 * @param {{ start_s: number, end_s: number, label: string, model_label?: string, named?: boolean }} mark
 * @returns {ClassRun[]}
 */
export function runsOf(curves, { start_s, end_s, label, model_label, named }) {
  if (!curves || named || label !== model_label) return [];
  const { probs, classes, least_share, scores, duration_s } = curves;
  const anomalies = classes.map((_, c) => c).slice(1);
  const strongest = (/** @type {number} */ i) => anomalies.reduce((a, b) => (probs[b][i] > probs[a][i] ? b : a));
  const [begin, end] = snippetsBetween(curves, start_s, end_s);
  /** @type {ClassRun[]} */
  const found = [];
  for (let first = begin, after = begin; first < end; first = after) {
    const top = strongest(first);
    while (after < end && strongest(after) === top) after += 1;
    const [begin_s, stop_s] = [timeOf(curves, first), after === scores.length ? duration_s : timeOf(curves, after)];
    if (after - first < RUN_SNIPPETS || stop_s - begin_s < RUN_S - 1e-6) continue;
    const { label: name, label_prob } = nameOf(curves, first, after);
    if (label_prob < (least_share || RUN_SHARE)) continue;
    const before = found.at(-1)?.label === name ? found.pop() : null;
    found.push({
      label: name,
      start_s: before?.start_s ?? Math.max(begin_s, start_s),
      end_s: Math.min(stop_s, end_s),
    });
  }
  return found.some((run) => run.label !== label) ? found : [];
}

/**
 * A review whose marks have their classes over time.
 * @param {import('./cut.js').Curves | null} curves @param {{ marks: any[], misses: any[] }} review
 */
export function withRuns(curves, review) {
  const told = (/** @type {any} */ mark) => ({ ...mark, class_runs: runsOf(curves, mark) });
  return { ...review, marks: review.marks.map(told), misses: review.misses.map(told) };
}
