// The keys of the events, while they are on screen, and Shift+N and Shift+P everywhere. They stand before the keys of the
// clip, which know nothing of them.
import { find, make } from '../lib/dom.js';
import { element } from '../lib/host.js';

const KEYS = {
  ArrowLeft: 'left', ArrowRight: 'right', ArrowUp: 'up', ArrowDown: 'down', PageUp: 'pageUp', PageDown: 'pageDown',
  Home: 'first', End: 'last', 'Shift ArrowLeft': 'reachLeft', 'Shift ArrowRight': 'reachRight',
  'Shift ArrowUp': 'reachUp', 'Shift ArrowDown': 'reachDown', ' ': 'choose', 'Control a': 'all', Escape: 'none',
  Enter: 'open', c: 'confirm', x: 'dismiss', o: 'reopen', Delete: 'remove', u: 'undo', 'Control z': 'undo',
  'Shift u': 'redo', 'Control Shift z': 'redo', 'Control y': 'redo', m: 'note',
}; // prettier-ignore
const HELP = [
  ['Arrows', 'Walk the events'],
  ['C, X, O', 'Confirm, dismiss, reopen: the card, or all that are selected'],
  ['0 – 9, M', 'Class by its number, note'],
  ['Shift arrows, Space, Ctrl A', 'Select up to here, this one, all'],
  ['U, Shift U', 'Undo, redo what was done last in the library'],
  ['Enter, Esc', 'Open the clip there, and come back to the card'],
  ['Shift N, Shift P', 'Next, previous clip with something left'],
  ['W', 'In a clip without segments: watched, nothing here'],
];
const HOLDS = ['left', 'right', 'up', 'down', 'pageUp', 'pageDown']; // a key held down does these again and again

export function nameOf(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const control = (event.ctrlKey || event.metaKey) && !event.getModifierState('AltGraph') ? 'Control ' : '';
  return control + (event.shiftKey ? 'Shift ' : '') + key;
}

const isTyping = ({ target }) => Boolean(target.closest?.('input, textarea, select, [contenteditable]'));

/** Called before any other part of the page hears of a key. `take` answers whether it was one of its own. */
export function watchKeys(take) {
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
  watchKeys((event) => {
    if (!isShown()) return false;
    const name = nameOf(event);
    if (/^[0-9]$/.test(name)) {
      if (!event.repeat) actions.label(Number(name));
      return true;
    }
    const action = KEYS[name];
    // A button that was reached by keyboard keeps Space and Enter.
    if (!action || (['choose', 'open'].includes(action) && event.target.matches('button, a, summary'))) return false;
    if (!event.repeat || HOLDS.includes(action)) actions[action]();
    return true;
  });
  const list = make('dl');
  for (const [keys, text] of HELP) {
    const row = make('div');
    row.append(make('dt', '', keys), make('dd', '', text));
    list.append(row);
  }
  const dialog = find('.rv-keys');
  dialog.querySelector('dl').after(make('h3', '', 'All clips'), list);
}
