// A clip that is still being read: what is known so far is fetched whenever it is more, and shown. What is not final is
// provisional; nothing can be decided on any of it, for it has no analysis yet.
import { find } from '../lib/dom.js';
import { request } from '../lib/server.js';
import { offerTabs } from '../lib/tabs.js';
import { unseenFacts } from '../lib/unseen.js';
import { listen, select, state, tell } from '../state.js';

const REST = 20; // times as long as the last fetch took, before the next

export function makeGrowing({ recut }) {
  let seen = 0; // what was fetched last
  let from = 0; // when to fetch again

  // Called with every step of the job. `length_s`: of the clip, as its file says.
  async function follow(step, length_s) {
    if (step.stopping) forget();
    const isNews = step.state === 'running' && !step.stopping && step.grown && step.grown !== seen;
    if (!isNews || performance.now() < from) return;
    const { visit } = state;
    const begun = performance.now();
    const { curves, facts } = await request('growing', { job: step.job });
    from = performance.now() + REST * (performance.now() - begun);
    if (!curves || state.visit !== visit) return;
    show(curves, facts, length_s);
    seen = step.grown;
  }

  function show(curves, facts, length_s) {
    if (!state.curves?.growing) leave(); // of an analysis that is made anew
    const shown_s = unseenFacts({ ...facts, duration_s: Math.max(length_s, facts.duration_s) }).total_s;
    state.curves = { ...curves, growing: true, final_s: facts.final_s, unseen: [], shown_s };
    find('.rv').dataset.work = 'growing';
    offerTabs(['segments']);
    tell('grown', facts, state.curves);
    recut();
  }

  function leave() {
    if (!state.curves) return;
    Object.assign(state, { curves: null, analysis: null });
    select(null);
    tell('closed');
  }

  // What was shown so far is not wanted, or will not be more.
  function forget() {
    seen = from = 0;
    if (state.curves?.growing) leave();
  }

  listen({
    opened: () => offerTabs(null),
    closed() {
      seen = from = 0;
      offerTabs(null);
    },
  });

  return { follow, forget };
}
