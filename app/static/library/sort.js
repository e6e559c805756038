// @ts-check
// Which clips the library lists, and in what order. No DOM.

/**
 * @typedef {{ name: string, added: string, duration_s: number, peak: number | null, label: string | null,
 *   segments: number | null, error: string | null, analysis_id: string | null, clip: string,
 *   work: { state: string } | null, review: { left: number } | null }} Entry
 * @typedef {{ q: string, sort: string, class: string, state: string, min: string }} Wish
 */

/** What the filters say when nothing was chosen. @type {Wish} */
export const NO_WISH = { q: '', sort: 'newest', class: '', state: '', min: '' };

/** One word for where a clip stands. @param {Entry} entry */
export function stateOf(entry) {
  if (entry.work) return { queued: 'waiting', running: 'analysing', failed: 'failed' }[entry.work.state];
  if (!entry.analysis_id) return 'unseen';
  if (entry.error) return 'failed';
  if (entry.segments === 0) return 'quiet';
  return entry.review && entry.review.left === 0 ? 'reviewed' : 'todo';
}
/** @param {Entry} entry */
const leftOf = (entry) => entry.review?.left ?? entry.segments ?? -1;

const names = new Intl.Collator(undefined, { numeric: true });
/** @type {Record<string, (a: Entry, b: Entry) => number>} */
const SORTS = {
  newest: (a, b) => (a.added < b.added ? 1 : a.added > b.added ? -1 : 0),
  name: (a, b) => names.compare(a.name, b.name),
  peak: (a, b) => (b.peak ?? -1) - (a.peak ?? -1),
  duration: (a, b) => b.duration_s - a.duration_s,
  left: (a, b) => leftOf(b) - leftOf(a),
};

/** @param {Entry[]} entries @param {Wish} wish */
export function listedClips(entries, wish) {
  const words = wish.q.toLowerCase().split(/\s+/).filter(Boolean);
  const min = wish.min === '' ? -1 : Number(wish.min);
  const kept = entries.filter((entry) => {
    const where = stateOf(entry);
    const name = entry.name.toLowerCase();
    return (
      words.every((word) => name.includes(word)) &&
      (!wish.state || where === wish.state || (wish.state === 'analysing' && where === 'waiting')) &&
      (!wish.class || entry.label === wish.class) &&
      (min < 0 || (entry.peak ?? -1) >= min)
    );
  });
  return kept.sort((a, b) => SORTS[wish.sort](a, b) || SORTS.newest(a, b));
}
