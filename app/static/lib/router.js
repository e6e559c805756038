// Where the user is, in the address and in the browser's history: Back leads to the clip before, with its moment.
// ?clip=...&t=... reopens a moment. Each part of the page writes and reads its own words.
import { listen, state, tell } from '../state.js';
import { element } from './host.js';

// Filters over the events.
export const EVENT_WORDS = [
  'ev_sort', 'ev_state', 'ev_label', 'ev_camera', 'ev_least', 'ev_since', 'ev_until', 'ev_by', 'ev_misses', 'ev_words',
]; // prettier-ignore
const WORDS = [
  'clip', 'analysis', 't', 'threshold', 'min_length_s', 'merge_gap_s', 'segment', 'seg_class', 'seg_state', 'seg_sort',
  'words', 'view', 'event', ...EVENT_WORDS,
]; // prettier-ignore
let timer = null;

export const replaceAddress = (url) => {
  if (url.href !== location.href) history.replaceState(history.state, '', url);
};

// Written at rest: browsers limit how often the address may change.
export function keepAddress() {
  clearTimeout(timer);
  timer = setTimeout(writeAddress, 250);
}
export function writeAddress() {
  clearTimeout(timer);
  const url = new URL(location.href);
  for (const name of WORDS) url.searchParams.delete(name);
  if (state.clip) url.searchParams.set('clip', state.clip);
  if (state.analysis) url.searchParams.set('analysis', state.analysis);
  if (state.view) url.searchParams.set('view', state.view);
  if (state.clip || state.view) tell('address', url.searchParams);
  if (!state.clip) url.searchParams.delete('t');
  replaceAddress(url);
}

// Another clip, or none, comes on screen: the place that is left stays in the history as it was left.
export function turnPage(clip, view = '') {
  if (clip === state.clip && view === state.view) return;
  writeAddress();
  history.pushState(history.state, '', location.href);
}

// Answers with what the address says, when every part has read its own words: what to open, and at which second.
export function readAddress() {
  const query = new URLSearchParams(location.search);
  tell('restored', query);
  const time = query.has('t') ? Number(query.get('t')) || 0 : null;
  const [analysis_id, clip] = [query.get('analysis'), query.get('clip')];
  return { which: analysis_id ? { analysis_id } : clip ? { clip } : null, time, view: query.get('view') ?? '' };
}

export function watchHistory(onBack) {
  const mine = element;
  function onPop() {
    if (!mine.isConnected) return window.removeEventListener('popstate', onPop);
    clearTimeout(timer); // the moment that is left belongs to the entry that is left
    onBack();
  }
  window.addEventListener('popstate', onPop);
  listen({ moved: keepAddress, filtered: keepAddress, reviewed: keepAddress });
}
