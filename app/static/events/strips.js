// The frames of the events in view: asked for until all are here, or something else is in view.
import { passBy } from '../lib/faults.js';
import { pause } from '../lib/jobs.js';
import { request } from '../lib/server.js';
import { state } from '../state.js';

const MOST = 100; // of one question

/** `inView` gives the events that are; `onStrips` is called when some came. */
export function makeStrips({ reviewer, inView, onStrips }) {
  const strips = new Map(); // by key: {url, error, peak}
  let frames = 1;
  let looking = 0;

  const isHere = ({ key }) => Boolean(strips.get(key)?.url || strips.get(key)?.error);

  async function follow() {
    for (const mine = looking; mine === looking && state.view === 'events'; await pause(500)) {
      const missing = inView().filter((event) => !isHere(event));
      if (!missing.length) return;
      const events = missing.slice(0, MOST).map(({ key }) => key);
      const answer = await request('event_strips', { reviewer: reviewer(), events });
      frames = answer.frames;
      for (const [key, strip] of Object.entries(answer.strips)) strips.set(key, strip);
      onStrips();
    }
  }

  return {
    want() {
      clearTimeout(looking);
      looking = setTimeout(() => follow().catch(passBy), 120);
    },
    of: (key) => strips.get(key),
    frames: () => frames,
  };
}
