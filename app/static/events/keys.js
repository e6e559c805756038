// The keys of the events, while they are on screen, and Shift+N and Shift+P everywhere. They stand before the keys of the
// clip, which know nothing of them.
import { find, make } from '../lib/dom.js';
import { element } from '../lib/host.js';
import { boundBy, DIGITS, nameOf, writeHelp } from '../lib/keys.js';

const TABLE = [
  ['Arrows', 'Walk the events', { ArrowLeft: 'left', ArrowRight: 'right', ArrowUp: 'up', ArrowDown: 'down' }],
  ['PgUp, PgDn, Home, End', 'Walk them faster', { PageUp: 'pageUp', PageDown: 'pageDown', Home: 'first', End: 'last' }],
  ['C, X, O', 'Confirm, dismiss, reopen: the card, or all that are selected', { c: 'confirm', x: 'dismiss', o: 'reopen' }],
  ['0 – 9, M', 'Class by its number, note', { ...DIGITS, m: 'note' }],
  ['Delete', 'Remove one that was added by hand', { Delete: 'remove' }],
  ['Shift arrows', 'Select up to here', { 'Shift ArrowLeft': 'reachLeft', 'Shift ArrowRight': 'reachRight', 'Shift ArrowUp': 'reachUp', 'Shift ArrowDown': 'reachDown' }],
  ['Space, Ctrl A, Esc', 'Select this one, all, none', { ' ': 'choose', 'Control a': 'all', Escape: 'none' }],
  ['U, Shift U', 'Undo, redo what was done last in the library', { u: 'undo', 'Control z': 'undo', 'Shift u': 'redo', 'Control Shift z': 'redo', 'Control y': 'redo' }],
  ['Enter', 'Open the clip there', { Enter: 'open' }],
]; // prettier-ignore
// Where a clip is on screen, or, the next two, anything.
const AROUND = [
  ['Esc', 'From a clip that was opened from a card, back to it', { Escape: 'back' }],
  ['Shift N, Shift P', 'Next, previous clip with something left', { 'Shift n': 'nextClip', 'Shift p': 'previousClip' }],
  ['W', 'In a clip without segments: watched, nothing here', { w: 'watched' }],
]; // prettier-ignore
const HOLDS = ['left', 'right', 'up', 'down', 'pageUp', 'pageDown']; // a key held down does these again and again

const isTyping = ({ target }) => Boolean(target.closest?.('input, textarea, select, [contenteditable]'));

/** Called before any other part of the page hears of a key. `take` answers whether it was one of its own. */
function watchKeys(take) {
  const mine = element;
  function onKey(event) {
    if (!mine.isConnected) return window.removeEventListener('keydown', onKey, true);
    if (event.altKey || mine.querySelector('dialog[open]') || isTyping(event) || !take(event)) return;
    event.preventDefault();
    event.stopPropagation();
  }
  window.addEventListener('keydown', onKey, true);
}

export function bindKeys({ isShown, actions }) {
  const bound = boundBy(TABLE);
  watchKeys((event) => {
    if (!isShown()) return false;
    const action = bound[nameOf(event)];
    // A button that was reached by keyboard keeps Space and Enter.
    if (!action || (['choose', 'open'].includes(action) && event.target.matches('button, a, summary'))) return false;
    if (!event.repeat || HOLDS.includes(action)) actions[action]();
    return true;
  });
  const list = make('dl');
  writeHelp(list, [...TABLE, ...AROUND]);
  const dialog = find('.rv-keys');
  dialog.querySelector('dl').after(make('h3', '', 'All clips'), list);
}

/** What each key does, and whether it is for that now. */
export function bindAround(actions) {
  const bound = boundBy(AROUND);
  watchKeys((event) => {
    const { act, isFor = () => true } = actions[bound[nameOf(event)]] ?? {};
    if (!act || !isFor()) return false;
    act();
    return true;
  });
}
