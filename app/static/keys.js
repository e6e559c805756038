// One table binds the keys and writes the help.
function makeKeys(actions) {
  const TABLE = [
    ['Space, K', 'Play or pause', { ' ': 'toggle', k: 'toggle' }],
    ['J, L', 'Play backwards, forwards; again for faster', { j: 'rewind', l: 'faster' }],
    [', .', 'One frame back, forward', { ',': 'back', '.': 'forward' }],
    ['← →', '5 seconds back, forward', { ArrowLeft: 'back5', ArrowRight: 'forward5' }],
    ['Shift ← →', '1 second back, forward', { 'Shift ArrowLeft': 'back1', 'Shift ArrowRight': 'forward1' }],
    ['N, P', 'Next, previous segment', { n: 'next', p: 'previous' }],
    ['Shift Space', 'Play this segment once', { 'Shift  ': 'once' }],
    ['Z', 'Zoom to this segment', { z: 'zoom' }],
    ['+ −', 'Zoom the timeline in, out (or the wheel)', { '+': 'in', '=': 'in', '-': 'out' }],
    ['PgUp, PgDn', 'Move the zoomed timeline (or Shift with the wheel)', { PageUp: 'left', PageDown: 'right' }],
    ['F', 'Fit the whole clip', { f: 'fit' }],
    ['M', 'Sound on or off', { m: 'mute' }],
    ['?', 'This help', { '?': 'help' }],
    ['Esc', 'Close what is open', { Escape: 'close' }],
  ];
  const bound = Object.assign({}, ...TABLE.map((row) => row[2]));
  const dialog = find('.rv-keys');
  const list = dialog.querySelector('dl');
  for (const [label, text] of TABLE) {
    const row = make('div');
    row.append(make('dt', '', label), make('dd', '', text));
    list.append(row);
  }
  dialog.querySelector('button').addEventListener('click', () => dialog.close());

  function name(event) {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    return (event.shiftKey && (key === ' ' || key.startsWith('Arrow')) ? 'Shift ' : '') + key;
  }

  function busy(event) {
    const target = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey || element.offsetParent === null) return true;
    if (dialog.open) return !['?', 'Escape'].includes(event.key);
    if (find('dialog[open]')) return true; // another one has its own keys
    if (target.closest('input, textarea, select, [contenteditable]')) return event.key !== 'Escape';
    if (target.closest('.rv-threshold')) return event.key.startsWith('Arrow') || event.key.startsWith('Page');
    // A button reached by keyboard keeps Space and Enter; one that was clicked does not steal them.
    return (event.key === ' ' || event.key === 'Enter') && target.matches('button:focus-visible, a:focus-visible');
  }

  function onKey(event) {
    if (!element.isConnected) return document.removeEventListener('keydown', onKey, true);
    const action = bound[name(event)];
    if (!action || busy(event)) return;
    if (action === 'help') {
      if (dialog.open) dialog.close();
      else dialog.showModal();
    } else if (action === 'close') {
      if (dialog.open) dialog.close();
      event.target.blur();
      actions.close();
    } else actions[action]();
    event.preventDefault();
    event.stopPropagation();
  }
  document.addEventListener('keydown', onKey, true);
  find('.rv-ask').addEventListener('click', () => dialog.showModal());
}
