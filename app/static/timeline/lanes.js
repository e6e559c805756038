// @ts-check
// What the lanes of the timeline are and where each lies. No DOM.
import { clamp, clock } from '../lib/format.js';

export const STRIP_PX = 20;
export const AXIS_PX = 22;
export const GAP_PX = 9;
const FOLDED_PX = 13;
export const RIGHT_PX = 14;
export const OTHER_PX = 12; // a strip of another reviewer
const LOW_SCREEN_PX = 940; // below it the lanes leave more room to the video
const SOUND_ROW_PX = 13;
const FEW_SOUNDS = 2; // more are folded away at first on a low screen
export const LEVEL_FLOOR_DB = -60;
export const SCORE_TOP = 1.04; // a score of 1 stays clear of the lane's edge

// Each lane's name, what it says to a person who never read the paper, and what it is in the paper's terms.
/** @type {Record<string, [name: string, plain: string, terms: string]>} */
export const LANE_WORDS = {
  segments: [
    'segments',
    'What the model flagged, or a person added. Drag an end to move it.',
    'Intervals of the anomaly score, cut by the threshold.',
  ],
  film: [
    'pictures',
    'What the camera saw; the frame at the pointer is enlarged.',
    'One frame of each snippet, or of every few.',
  ],
  score: [
    'anomaly score',
    'How strongly the model thinks something is wrong here.',
    'Solid: the classifier’s score, which the threshold cuts. Dotted: 1 − P(normal) of the alignment branch.',
  ],
  classes: [
    'class similarity',
    'Which kinds of event the picture here looks like.',
    'Cosine similarity of picture and class text (Eq. 1); • among the classes CVKA chose.',
  ],
  saliency: [
    'video-text saliency',
    'Which moments stand out by how well they match the likely kinds of event.',
    'Similarity to the chosen class texts, laid on the sound’s time axis; no sound is in it. Triangles: its peaks, shaded: the windows round them (AFAE). Line: average.',
  ],
  heard: [
    'kinds of sound',
    'What it sounds like here: gunshot, explosion, breaking glass, crowd.',
    'Probabilities of a classifier of sound effects, trained apart; full colour from 0.5 on.',
  ],
  sound: ['sound', 'How loud it is here.', 'Waveform, as tall as its loudest moment. Line: level in dB re full scale.'],
};

/** @typedef {{ top: number, height: number, folded: boolean }} Lane */

/**
 * Each lane's `top` and `height` in px, from the top of the timeline; a folded one leaves only its name.
 * @param {{ classes: string[], sounds: object[] }} curves
 * @param {{ folded: Set<string>, mute: boolean, others: number, windowPx: number, scale?: number }} page `others` is the number
 *   of strips of other reviewers, `scale` how tall the lanes are beside their usual height
 */
export function layLanes(curves, { folded, mute, others, windowPx, scale = 1 }) {
  const low = windowPx < LOW_SCREEN_PX;
  const rowPx = clamp(Math.round(((low ? 77 : 104) * scale) / curves.classes.length), 11, 15 * Math.max(1, scale));
  const sounds = curves.sounds.length;
  const isFolded = (name) => folded.has(name) !== (name === 'heard' && low && sounds > FEW_SOUNDS);
  const heights = {
    film: scale * (low ? 30 : 40),
    score: scale * (low ? 80 : 100),
    classes: Math.round(rowPx) * curves.classes.length,
    saliency: scale * (low ? 36 : 44),
    sound: mute ? 18 : scale * (low ? 32 : 40),
    ...(sounds && { heard: SOUND_ROW_PX * sounds }),
  };
  let top = STRIP_PX + 5 + OTHER_PX * others;
  /** @type {Record<string, Lane>} */
  const lanes = {};
  for (const [name, full] of Object.entries(heights)) {
    const height = isFolded(name) ? FOLDED_PX : Math.round(full);
    lanes[name] = { top, height, folded: isFolded(name) };
    top += height + (isFolded(name) ? 4 : GAP_PX);
  }
  return { lanes, height: top - GAP_PX + 5 + AXIS_PX };
}

/**
 * Least and greatest of many rows; not by spreading: a day of video has more snippets than a call may have arguments.
 * @param {number[][]} rows @returns {[low: number, high: number]}
 */
export function extent(rows) {
  let [low, high] = [Infinity, -Infinity];
  for (const row of rows)
    for (const value of row) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  return [low, high];
}

/**
 * @typedef {{ similarity: number[][], normal_similarity: [number, number][] | null, scores: number[] }} Similar
 * @typedef {{ saliency: number[], windowed: number[], normal_saliency: number | null }} Salient
 */

/**
 * The similarities of each class that are drawn palest and darkest: what is usual and what is rare on normal footage,
 * and where nobody measured that, the clip's own extremes.
 * @param {Similar} curves @returns {[low: number, high: number][]}
 */
export function similarityScale({ similarity, normal_similarity }) {
  if (normal_similarity) return normal_similarity;
  const extremes = extent(similarity);
  return similarity.map(() => extremes);
}

/**
 * How much of a snippet's tints is seen, 0 to 1: where the score is low they say little.
 * @param {Similar} curves @param {number} i
 */
export const heatAlpha = ({ scores, normal_similarity }, i) =>
  normal_similarity ? clamp(0.25 + 1.5 * scores[i], 0, 1) : 1;

/** The saliency at the top of its lane. @param {Salient} curves */
export const saliencyTop = ({ saliency, windowed, normal_saliency }) =>
  normal_saliency ? Math.max(2, 1.5 * normal_saliency) : Math.max(2, 1.08 * extent([saliency, windowed])[1]);

/** Round times, about 90 px apart. @param {[from: number, to: number]} view @param {number} width */
export function timeTicks([from, to], width) {
  const wanted = (to - from) / Math.max(2, width / 90);
  const step =
    [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600].find((s) => s >= wanted) ?? 7200;
  const times = [];
  for (let i = Math.ceil(from / step); i * step <= to + 1e-9; i++) times.push(i * step);
  return times.map((time) => ({ time, text: clock(time, step < 0.1 ? 2 : step < 1 ? 1 : 0) }));
}

/** @param {{ snippet_s: number, scores: number[] }} curves @param {number} time */
export const snippetAt = (curves, time) => clamp(Math.floor(time / curves.snippet_s), 0, curves.scores.length - 1);
