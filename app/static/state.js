// @ts-check
// What is on screen, in one place, and the bus by which the parts of the page hear of it. No DOM.

/**
 * @typedef {{ id: string, start_s: number, end_s: number, peak_s: number | null, score: number | null, label: string,
 *   state: string, near_miss: boolean, note: string, model_label: string,
 *   class_runs: import('./review/class_runs.js').ClassRun[] }} Segment
 * @typedef {{ threshold: number, min_length_s: number, merge_gap_s: number }} Cut
 */

/** @type {Cut} */
export const USUAL_CUT = { threshold: 0.5, min_length_s: 0, merge_gap_s: 1 };

const nothing = () => ({
  /** @type {string | null} SHA-256 of the clip on screen */
  clip: null,
  /** @type {string | null} id of its analysis */
  analysis: null,
  /** @type {'' | 'events'} what is on screen where no clip is */
  view: '',
  /** @type {any} what that analysis plots; null until it is here */
  curves: null,
  /** @type {Segment | null} the selected segment */
  segment: null,
  /** How segments are cut. */
  cut: { ...USUAL_CUT },
  /** Counts the clips that were opened: answers that belong to an earlier visit are dropped. */
  visit: 0,
  /** @type {any} what the server said last of its model and its library */
  status: { library: [], queue: [], examples: [], model: 'queued', trained: null },
});
export const state = nothing();

/** Every event of the page, and what its listeners are given. */
export const EVENTS = {
  closed: '(): another clip, or none, is on screen',
  analysed: '(facts): it has an analysis, whose curves are on their way',
  grown: '(facts, curves): it is still being read, and this much is known so far; `curves.growing` is true',
  opened: '(facts, curves): they are here',
  cutting: '(): `state.cut` changed',
  cut: '(answer): segments were cut, or a decision was taken',
  reviewed: '(answer): the server said how this reviewer decided',
  selected: '(segment, before): another segment is selected, or null',
  filtered: '(): other segments are listed, or in another order',
  moved: '(time): the playback position',
  filmed: '(frameAt): small frames of the clip are here; frameAt(time, height in px) gives the style of one',
  viewed: '({ from, to, toPx, lanes, width }): the part of the timeline in view, and how it is laid out',
  decided: '(answer): this reviewer decided something in the clip on screen',
  reviewer: '(): somebody else reviews',
  recut: '(): the whole library is cut anew for this reviewer',
  left: '(answer): how much is left in the whole library',
  panel: '(name): a tab is shown',
  truth: '(spans): ground truth of the clip, [] for none',
  annotated: '(file): an annotation file was brought',
  status: '(status): news of the model and the library',
  back: '(): the server answers again',
  address: '(query): write what a link must restore',
  restored: '(query): the address is another; read it',
};

/** @typedef {keyof typeof EVENTS} EventName */
/** @type {Map<EventName, ((...facts: any[]) => void)[]>} */
const listeners = new Map();
let onFault = (/** @type {unknown} */ error) => console.error(error);

/**
 * For a page that begins; `caught` gets what listeners throw.
 * @param {(error: unknown) => void} caught
 */
export function reset(caught) {
  Object.assign(state, nothing());
  listeners.clear();
  onFault = caught;
}

/** @param {string} name @returns {asserts name is EventName} */
function check(name) {
  if (!Object.hasOwn(EVENTS, name)) throw new Error('there is no event ' + name);
}

/** @param {Partial<Record<EventName, (...facts: any[]) => void>>} handlers */
export function listen(handlers) {
  for (const [name, handler] of Object.entries(handlers)) {
    check(name);
    listeners.set(name, [...(listeners.get(name) ?? []), handler]);
  }
}

/** A listener that fails takes no other with it. @param {EventName} name @param {any[]} facts */
export function tell(name, ...facts) {
  check(name);
  for (const handler of listeners.get(name) ?? [])
    try {
      handler(...facts);
    } catch (error) {
      onFault(error);
    }
}

/** @param {Segment | null} segment */
export function select(segment) {
  const before = state.segment;
  if (segment === before) return;
  state.segment = segment;
  tell('selected', segment, before);
}

/** @param {Partial<Cut>} values */
export function setCut(values) {
  Object.assign(state.cut, values);
  tell('cutting');
}
