// @ts-check
// Footage that the model did not see, [[start_s, end_s, reason, only_sound], ...], and what is said of it. The timeline
// hatches it. A clip without a finding is never called so before this is said. No DOM.
import { inSeconds } from './format.js';

/** @typedef {[start_s: number, end_s: number, reason: string, only_sound: boolean]} Stretch */

/** Where only the audio is missing, the frames were seen. @param {Stretch} stretch */
export const onlyAudio = ([, , , only_sound]) => only_sound;
/** @param {Stretch[]} unseen_s */
export const lostSense = (unseen_s) => (unseen_s.every(onlyAudio) ? 'heard' : 'seen');
export const UNKNOWN = 'an earlier version analysed it: what was not seen is not known; analyse it again';

/**
 * Stretches that were not seen and not heard, all of the footage as the file states it, and how much of it was seen.
 * `known` is false for analyses of earlier versions.
 * @param {{ unseen_s: Stretch[] | null, declared_duration_s?: number | null, duration_s: number }} facts
 */
export function unseenFacts({ unseen_s, declared_duration_s, duration_s }) {
  const all = unseen_s ?? [];
  const spans = all.filter((stretch) => !onlyAudio(stretch));
  const unheard = all.filter(onlyAudio);
  const total_s = Math.max(declared_duration_s ?? 0, duration_s, ...all.map(([, end_s]) => end_s));
  let [lost_s, at] = [0, 0];
  for (const [start_s, end_s] of [...spans].sort((a, b) => a[0] - b[0])) {
    lost_s += Math.max(0, end_s - Math.max(start_s, at));
    at = Math.max(at, end_s);
  }
  return { known: Boolean(unseen_s), spans, unheard, total_s, seen_s: total_s - lost_s };
}

/** "the file ends early (17.3–33.7 s)"; empty when all was seen. @param {Stretch[]} spans */
export function unseenReasons(spans) {
  /** @type {Map<string, string[]>} */
  const places = new Map();
  for (const [start_s, end_s, reason] of spans)
    places.set(reason, [...(places.get(reason) ?? []), inSeconds(start_s) + '–' + inSeconds(end_s)]);
  const listed = (/** @type {string[]} */ list) =>
    list.slice(0, 3).join(', ') + ' s' + (list.length > 3 ? ' and ' + (list.length - 3) + ' more' : '');
  return [...places].map(([reason, list]) => reason.replace(': ', ', ') + ' (' + listed(list) + ')').join('; ');
}

/** @param {ReturnType<typeof unseenFacts>} facts */
export function unseenWords({ spans, unheard, total_s, seen_s }) {
  const share = inSeconds(seen_s) + ' of ' + inSeconds(total_s) + ' s could be read: ';
  const said = [spans.length && share + unseenReasons(spans), unheard.length && 'Not heard: ' + unseenReasons(unheard)];
  return said
    .map((part) => (part ? part + '.' : ''))
    .join(' ')
    .trim();
}
