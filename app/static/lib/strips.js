// The frames of what is in view in a list: asked for until all are here, or something else is in view.
import { passBy } from './faults.js';
import { pause } from './jobs.js';

const MOST = 100; // of one question

/**
 * `inView` gives the items that are, `ask` the strips of some by key: {url, error, peak, frames}; `onStrips` is called
 * when some came.
 */
export function makeStrips({ keyOf, inView, ask, onStrips, isShown }) {
  const strips = new Map(); // by key
  let looking = 0;

  const isHere = ({ url, error } = {}) => Boolean(url || error);

  async function follow() {
    for (const mine = looking; mine === looking && isShown(); await pause(500)) {
      const missing = inView().filter((item) => !isHere(strips.get(keyOf(item))));
      if (!missing.length) return;
      for (const [key, strip] of Object.entries(await ask(missing.slice(0, MOST)))) strips.set(key, strip);
      onStrips();
    }
  }

  return {
    want() {
      clearTimeout(looking);
      looking = setTimeout(() => follow().catch(passBy), 120);
    },
    of: (key) => strips.get(key),
  };
}
