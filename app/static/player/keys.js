// The keys of a clip: their table binds them, and writes the help and the hints on the buttons.
import { find } from '../lib/dom.js';
import { element } from '../lib/host.js';
import { boundBy, DIGITS, nameOf, writeHelp } from '../lib/keys.js';

// The last of a row: whether it takes a decision.
const TABLE = [
  ['Space, K', 'Play, or pause and be back at the chosen speed', { ' ': 'toggle', k: 'toggle' }],
  ['J, L', 'Play backwards, forwards; again for faster', { j: 'rewind', l: 'faster' }],
  ['< >', 'Slower, faster, from 0.1× to 16×', { '<': 'slower', '>': 'quicker' }],
  [', .', 'One frame back, forward', { ',': 'back', '.': 'forward' }],
  ['← →', '5 seconds back, forward', { ArrowLeft: 'back5', ArrowRight: 'forward5' }],
  ['Shift ← →', '1 second back, forward', { 'Shift ArrowLeft': 'back1', 'Shift ArrowRight': 'forward1' }],
  ['N, P', 'Next, previous segment; dismissed ones are passed by', { n: 'next', p: 'previous' }],
  ['C, X', 'Confirm, dismiss, and move on to the next open one', { c: 'confirm', x: 'dismiss' }, 'decides'],
  ['O', 'Reopen', { o: 'reopen' }, 'decides'],
  ['0 – 9', 'Call it by the number of a class; 0, normal, dismisses it', DIGITS, 'decides'],
  ['[ ]', 'Start, end of the segment to the playhead', { '[': 'edgeStart', ']': 'edgeEnd' }, 'decides'],
  ['S', 'Split at the playhead', { s: 'split' }, 'decides'],
  ['G', 'Merge with the next one', { g: 'merge' }, 'decides'],
  ['A', 'Add a segment by hand: once at its start, once at its end', { a: 'add' }, 'decides'],
  ['Delete', 'Remove one that was added by hand', { Delete: 'remove' }, 'decides'],
  ['M', 'Write a note', { m: 'note' }],
  ['U, Ctrl Z', 'Undo', { u: 'undo', 'Control z': 'undo' }, 'decides'],
  ['Shift U, Ctrl Shift Z', 'Redo', { 'Shift u': 'redo', 'Control Shift z': 'redo', 'Control y': 'redo' }, 'decides'],
  ['Shift Space', 'Play this segment once', { 'Shift  ': 'once' }],
  ['R', 'Play this segment over and over', { r: 'loop' }],
  ['Z', 'Zoom to this segment', { z: 'zoom' }],
  ['+ −', 'Zoom the timeline in, out (or the wheel)', { '+': 'in', '=': 'in', '-': 'out' }],
  ['PgUp, PgDn', 'Move the zoomed timeline (or Shift with the wheel)', { PageUp: 'left', PageDown: 'right' }],
  ['F', 'Fit the whole clip', { f: 'fit' }],
  ['Shift M', 'Sound on or off', { 'Shift m': 'mute' }],
  ['Shift ↑ ↓', 'Louder, quieter', { 'Shift ArrowUp': 'louder', 'Shift ArrowDown': 'quieter' }],
  ['V, Shift V', 'Picture: brightness, contrast, zoom; as it is', { v: 'picture', 'Shift v': 'original' }],
  ['B, Shift B', 'Brighter, darker picture', { b: 'brighter', 'Shift b': 'darker' }],
  ['T, Shift T', 'More, less contrast', { t: 'contrastUp', 'Shift t': 'contrastDown' }],
  ['E, Shift E', 'Enlarge the picture, or less', { e: 'larger', 'Shift e': 'smaller' }],
  ['Shift F', 'Full screen, with the curve', { 'Shift f': 'screen' }],
  ['?', 'This help', { '?': 'help' }],
  ['Esc', 'Close what is open', { Escape: 'close' }],
];

export function makeKeys(actions, onDecision) {
  const bound = boundBy(TABLE);
  const decides = new Set(TABLE.filter((row) => row[3]).flatMap((row) => Object.values(row[2])));
  const dialog = find('.rv-keys');
  writeHelp(dialog.querySelector('dl'), TABLE);
  dialog.querySelector('button').addEventListener('click', () => dialog.close());

  for (const control of element.querySelectorAll('[data-do]')) {
    const key = Object.keys(bound).find((name) => bound[name] === control.dataset.do);
    const text = control.ariaLabel ?? control.textContent.trim();
    control.title = key
      ? text + ' (' + key.replace(/ $/, 'Space').replace(/\b[a-z]$/, (c) => c.toUpperCase()) + ')'
      : text;
  }

  // Shift may be what a sign such as ? takes on this keyboard.
  const actionOf = (event) => bound[nameOf(event)] ?? bound[nameOf(event, false)];

  function busy(event) {
    const target = event.target;
    if ((event.altKey && !event.getModifierState('AltGraph')) || element.offsetParent === null) return true;
    if (element.querySelector('dialog[open]:not(.rv-keys)')) return true; // another dialog has the keys
    if (dialog.open) return !['?', 'Escape'].includes(event.key);
    if (target.closest('input:not([type=range]), textarea, select, [contenteditable]')) return event.key !== 'Escape';
    if (target.closest('.rv-threshold, .rv-ownkeys, .rv-pane, .rv-tabs, [type=range]'))
      return event.key.startsWith('Arrow') || event.key.startsWith('Page');
    // A button reached by keyboard keeps Space and Enter; one that was clicked does not steal them.
    return (event.key === ' ' || event.key === 'Enter') && target.matches(':is(button, a, summary):focus-visible');
  }

  function onKey(event) {
    if (!dialog.isConnected) return document.removeEventListener('keydown', onKey, true);
    const action = actionOf(event);
    if (!action || busy(event)) return;
    if (decides.has(action)) onDecision();
    if (action === 'help') {
      if (dialog.open) dialog.close();
      else dialog.showModal();
    } else if (action === 'close') {
      if (dialog.open) dialog.close();
      actions.close();
      event.target.blur();
    } else if (!(event.repeat && decides.has(action))) actions[action](); // a key held down decides once
    event.preventDefault();
    event.stopPropagation();
  }
  document.addEventListener('keydown', onKey, true);
  find('.rv-ask').addEventListener('click', () => dialog.showModal());
  for (const control of element.querySelectorAll('[data-do]'))
    control.addEventListener('click', () => actions[control.dataset.do]());
}
