// @ts-check
// What cmhkf/segments.py and app/review/marks.py do, here as well: while the threshold is dragged, their answer would come
// too late whenever the server is at work on another clip. Python has the last word as soon as the pointer rests. No DOM.
import { clamp } from '../lib/format.js';
import { inTime } from './segment_order.js';

/**
 * @typedef {{ scores: number[], probs: number[][], classes: string[], snippet_s: number, duration_s: number,
 *   snippet_ratio: [ticks: number, rate: number], exit_margin: number, near_miss_margin: number,
 *   least_share: number }} Curves
 * @typedef {{ start_s: number, end_s: number, peak_s: number, score: number, label: string, label_prob: number,
 *   second: string }} Found
 * @typedef {{ id: string, start_s: number, end_s: number, revision: number, model_start_s?: number | null,
 *   model_end_s?: number | null }} Mark
 */

const REST_S = 1; // flagged time beside a decided mark that is shorter is the mark's edge

/** Where a segment ends: the score falls below this. @param {number} threshold @param {Curves} curves */
export const exitLine = (threshold, curves) => Math.max(threshold - curves.exit_margin, threshold / 2);

/** Start of a snippet, to the last bit: lengths and gaps are compared with round numbers. @param {Curves} curves @param {number} i */
export const timeOf = ({ snippet_ratio: [ticks, rate] }, i) => (i * ticks) / rate;

/** The segment of the snippets [begin, end). @param {Curves} curves @param {number} begin @param {number} end @returns {Found} */
function describe(curves, begin, end) {
  const { scores, snippet_s, duration_s } = curves;
  let peak = begin;
  for (let i = begin; i < end; i++) if (scores[i] > scores[peak]) peak = i;
  return {
    start_s: timeOf(curves, begin),
    end_s: end === scores.length ? duration_s : timeOf(curves, end),
    peak_s: Math.min(timeOf(curves, peak) + snippet_s / 2, duration_s),
    score: scores[peak],
    ...nameOf(curves, begin, end),
  };
}

/** The strongest anomaly class of the snippets [begin, end), and the next one where the name is unclear.
 * @param {Curves} curves @param {number} begin @param {number} end */
export function nameOf({ probs, classes, least_share }, begin, end) {
  const sums = classes.map((_, c) => (c ? probs[c].slice(begin, end).reduce((sum, p) => sum + p, 0) : 0));
  const [first, next] = classes.map((_, c) => c).slice(1).sort((a, b) => sums[b] - sums[a]); // prettier-ignore
  const all = sums.reduce((sum, s) => sum + s, 0);
  const label_prob = sums[first] / Math.max(all, 1e-9 * (end - begin));
  return { label: classes[first], label_prob, second: label_prob < least_share && next ? classes[next] : '' };
}

/**
 * A mark's class in words: whether the model's own name is unclear is shown until a person has decided.
 * @param {Curves | null} curves @param {Mark & { label: string, model_label?: string }} mark
 */
export function markName(curves, mark) {
  if (!curves?.least_share || mark.revision || mark.label !== mark.model_label) return mark.label;
  const { second } = segmentBetween(curves, mark.start_s, mark.end_s);
  return second ? `unclear: ${mark.label} or ${second}` : mark.label;
}

/** @param {Curves} curves @param {{ threshold: number, min_length_s: number, merge_gap_s: number }} cut */
export function cutHere(curves, { threshold, min_length_s, merge_gap_s }) {
  const scores = Float32Array.from(curves.scores); // as Python compares them
  const n = scores.length;

  /** @param {number} enter */
  function intervals(enter) {
    const leave = Math.fround(exitLine(enter, curves));
    const reach = Math.fround(enter);
    /** @type {[begin: number, end: number][]} */
    const merged = [];
    for (let i = 0; i < n; i++) {
      if (!(scores[i] >= leave)) continue;
      const begin = i;
      let top = scores[i];
      while (i + 1 < n && scores[i + 1] >= leave) top = Math.max(top, scores[++i]);
      if (top < reach) continue;
      const before = merged.at(-1);
      if (before && timeOf(curves, begin) - timeOf(curves, before[1]) < merge_gap_s) before[1] = i + 1;
      else merged.push([begin, i + 1]);
    }
    return merged.map(([begin, end]) => describe(curves, begin, end));
  }

  const flagged = intervals(threshold).filter((s) => s.end_s - s.start_s >= min_length_s);
  const misses = intervals(Math.max(threshold - curves.near_miss_margin, 1e-6)).filter(
    (s) => !flagged.some((f) => s.start_s < f.end_s && f.start_s < s.end_s),
  );
  return {
    threshold,
    segments: flagged.map((s) => ({ ...s, near_miss: false })),
    near_misses: misses.map((s) => ({ ...s, near_miss: true })),
  };
}

/**
 * The half-open index pair of the snippets whose middle lies in an interval.
 * @param {Curves} curves @param {number} start_s @param {number} end_s @returns {[begin: number, end: number]}
 */
export function snippetsBetween(curves, start_s, end_s) {
  const last = curves.scores.length - 1;
  const middle = (/** @type {number} */ i) => timeOf(curves, i) + curves.snippet_s / 2;
  let begin = clamp(Math.floor(start_s / curves.snippet_s), 0, last);
  if (middle(begin) < start_s && begin < last && middle(begin + 1) < end_s) begin += 1;
  let end = begin + 1;
  while (end <= last && middle(end) < end_s) end += 1;
  return [begin, end];
}

/**
 * A part of a flagged interval, described by the snippets whose middle lies in it.
 * @param {Curves} curves @param {number} start_s @param {number} end_s @returns {Found}
 */
function segmentBetween(curves, start_s, end_s) {
  const whole = describe(curves, ...snippetsBetween(curves, start_s, end_s));
  return { ...whole, start_s, end_s, peak_s: clamp(whole.peak_s, start_s, end_s) };
}

/**
 * What of an interval no mark stands for: neither where it lies, nor what the model had flagged when it was decided.
 * @param {Found} segment @param {Mark[]} own @returns {[start_s: number, end_s: number][]}
 */
function rests({ start_s, end_s }, own) {
  const spent = own.flatMap((m) => [
    [m.start_s, m.end_s],
    ...(m.model_start_s == null ? [] : [[m.model_start_s, Number(m.model_end_s)]]),
  ]);
  /** @type {[number, number][]} */
  const found = [];
  let at = start_s;
  for (const [begin, end] of spent.sort((a, b) => a[0] - b[0])) {
    if (end <= at || begin >= end_s) continue;
    if (begin - at >= REST_S) found.push([at, begin]);
    at = end;
  }
  if (at === start_s || end_s - at >= REST_S) found.push([at, end_s]);
  return found;
}

/**
 * Segments, or the rests of them, that none of a reviewer's marks stands for, as marks that nobody has decided.
 * @param {Curves} curves @param {Mark[]} own @param {Found[]} segments
 */
function undecided(curves, own, segments) {
  const known = new Set(own.map((m) => m.id));
  const open = { state: 'open', note: '', reviewer: '', revision: 0, decided: '' };
  return segments
    .flatMap((s) =>
      rests(s, own).map(([a, b]) => (a === s.start_s && b === s.end_s ? s : { ...s, ...segmentBetween(curves, a, b) })),
    )
    .map((s) => ({
      ...s,
      ...open,
      id: idOf(s),
      model_label: s.label,
      model_score: s.score,
      model_start_s: s.start_s,
      model_end_s: s.end_s,
    })) // prettier-ignore
    .filter((m) => !known.has(m.id));
}
/** @param {{ peak_s: number }} segment */
const idOf = (segment) => 'p' + Math.round(segment.peak_s * 1000);

/** Of near misses only the rest with the peak, which is what came near. @param {Curves} curves @param {Mark[]} own @param {Found[]} misses */
function undecidedMisses(curves, own, misses) {
  const peaks = new Set(misses.map(idOf));
  return undecided(curves, own, misses).filter((m) => peaks.has(m.id));
}

/**
 * A review as the server would answer it at this cut: the reviewer's own marks, and what none of them stands for.
 * @param {{ marks: Mark[] } | null} review the server's newest answer @param {Curves} curves
 * @param {{ threshold: number, min_length_s: number, merge_gap_s: number }} cut
 */
export function reviewHere(review, curves, cut) {
  const found = cutHere(curves, cut);
  const own = (review?.marks ?? []).filter((m) => m.revision);
  const marks = [...own, ...undecided(curves, own, found.segments)].sort(inTime);
  return { ...review, ...found, marks, misses: undecidedMisses(curves, own, found.near_misses) };
}
