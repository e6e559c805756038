// @ts-check
// Which segments are listed, and in what order. No DOM.

/** @typedef {import('../state.js').Segment} Segment */
/** Each state's sign and word, in the order of the list. @type {Record<string, [sign: string, word: string]>} */
export const STATES = { open: ['○', 'Open'], confirmed: ['✓', 'Confirmed'], dismissed: ['✕', 'Dismissed'] };
const STATE_ORDER = Object.keys(STATES);

/** @param {{ start_s: number, end_s: number }} a @param {{ start_s: number, end_s: number }} b */
export const inTime = (a, b) => a.start_s - b.start_s || a.end_s - b.end_s;

/**
 * Each begins with what a reviewer looks for first; a minus before its name turns it round.
 * @type {Record<string, (a: Segment, b: Segment) => number>}
 */
export const SEGMENT_ORDERS = {
  time: inTime,
  class: (a, b) => a.label.localeCompare(b.label),
  state: (a, b) => STATE_ORDER.indexOf(a.state) - STATE_ORDER.indexOf(b.state),
  peak: (a, b) => (b.score ?? -1) - (a.score ?? -1),
};

/** @param {Segment[]} segments @param {string} order @param {boolean} turned */
export function sortedSegments(segments, order, turned) {
  const turn = turned ? -1 : 1;
  return [...segments].sort((a, b) => turn * SEGMENT_ORDERS[order](a, b) || inTime(a, b));
}

/** Its class, and those that it has over time. @param {Segment} segment */
export const classesOf = ({ label, class_runs }) => [label, ...class_runs.map((run) => run.label)];

/** What to look at first; undefined where all were dismissed. @param {Segment[]} segments */
export const strongestOf = (segments) =>
  sortedSegments(
    segments.filter((s) => s.peak_s !== null && s.state !== 'dismissed'),
    'peak',
    false,
  ).at(0);

/** '' stands for any. @param {Segment} segment @param {{ label: string, state: string }} wanted */
export const fitsFilter = (segment, wanted) =>
  (!wanted.label || classesOf(segment).includes(wanted.label)) && (!wanted.state || segment.state === wanted.state);

/** Whether a moment lies in a segment. @param {{ start_s: number, end_s: number }} segment @param {number} time */
export const inside = (segment, time) => time >= segment.start_s - 1e-3 && time < segment.end_s - 1e-3;
