// News of the model and the library, requested at the beginning, after what changes them, and while something is under way.
import { find, make } from '../lib/dom.js';
import { passBy } from '../lib/faults.js';
import { pause } from '../lib/jobs.js';
import { request } from '../lib/server.js';
import { state, tell } from '../state.js';
import { stateOf } from './sort.js';

let requested = 0;
let shown = 0;
let took_ms = 0; // the newest answer: of thousands of clips, or over a slow line, it takes a while
let timer = null;
let reviewer = () => '';

export function useReviewer(name) {
  reviewer = name;
}

export async function refresh() {
  const mine = ++requested;
  const begun = performance.now();
  const [model, library] = await Promise.all([request('status'), request('library', { reviewer: reviewer() })]);
  took_ms = performance.now() - begun;
  if (mine < shown) return; // overtaken by a newer one
  shown = mine;
  state.status = { ...model, ...library };
  find('.rv-file').accept = ['video/*', ...model.video_suffixes].join();
  showModel(state.status);
  tell('status', state.status);
}

// After a decision: what is left of the clip stands in the library too. Quick decisions are told once.
export function refreshSoon() {
  clearTimeout(timer);
  timer = setTimeout(() => refresh().catch(passBy), 500);
}

// While the model loads, a clip of the list is analysed or some were not looked into.
export async function keepFresh() {
  const root = find('.rv');
  while (root.isConnected) {
    await pause(state.status.complete === false ? 200 : Math.max(1500, 4 * took_ms));
    const { model, complete, library, queue } = state.status;
    const underWay = queue.length || library.some((entry) => ['waiting', 'analysing'].includes(stateOf(entry)));
    if (['queued', 'running'].includes(model) || !complete || underWay) await refresh().catch(passBy);
  }
}

function showModel(status) {
  const words = {
    queued: 'loading the model…',
    running: 'loading the model…',
    failed: 'model not loaded: ' + status.error,
    cancelled: 'model not loaded',
  };
  const model = find('.rv-model');
  const untrained = status.model === 'ready' && !status.trained;
  const name = status.model_id?.replace(/@.*/, '') ?? status.preset;
  model.replaceChildren(
    make('span', '', name ? 'Model ' + name : ''),
    make('span', 'rv-state', words[status.model] ?? (untrained ? 'NOT TRAINED' : 'trained')),
  );
  model.title = status.error || (status.model_id ?? '');
  model.dataset.state = untrained ? 'untrained' : status.model;
}
