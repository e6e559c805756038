// Decisions on the card that has the focus, or on all that are selected. Each is one step that undo takes back.
import { plural } from '../lib/format.js';
import { element } from '../lib/host.js';
import * as notice from '../lib/notice.js';
import { request } from '../lib/server.js';
import { refreshSoon } from '../library/status.js';
import { makeTurns } from '../review/turns.js';
import { tell } from '../state.js';

const token = () => crypto.randomUUID();
const DONE = { confirm: 'Confirmed', dismiss: 'Dismissed', reopen: 'Reopened', relabel: 'Called', note: 'Noted on', remove: 'Removed' }; // prettier-ignore

export function makeDecide({ reviewer, list, pages, grid, chosen, movesOn, onOutdated }) {
  const pending = new Set(); // keys
  let classes = []; // of the newest model, normal first
  const turns = makeTurns((error) => {
    pending.clear();
    notice.fail('events', error);
    onOutdated();
  });

  // What is on its way would be lost with the page.
  const mine = element;
  window.addEventListener('beforeunload', (event) => {
    if (mine.isConnected && pending.size) event.preventDefault();
  });

  function say(words, answer) {
    const rest = answer.left_out ? ' · ' + plural(answer.left_out, 'event') + ' left out: ' + answer.reason : '';
    notice.show('events', words + rest + ' · ' + answer.left.n + ' left', {
      bad: Boolean(answer.left_out && !answer.n),
    });
  }

  async function took(answer, words) {
    pages.replace(answer.events);
    tell('left', answer);
    refreshSoon();
    say(words, answer);
    if (!answer.few) await onOutdated();
    grid.redraw();
  }

  // `more`: the label or the note that goes with it.
  function act(action, more = {}, words = '') {
    const many = chosen.size();
    const event = grid.event();
    if (!many && !event) return notice.show('events', 'There is no event to decide on.');
    const which = many ? chosen.named(list()) : { events: [event.key] };
    const what = words || DONE[action];
    const said = many ? plural(many, 'event') : event.label + ' at ' + event.name;
    if (!many) pending.add(event.key);
    chosen.clear();
    turns.add(async () => {
      const asked = { ...which, reviewer: reviewer(), action, request: token(), ...more };
      const answer = await request('decide_events', asked);
      if (!many) pending.delete(event.key);
      await took(answer, what + ' ' + (many ? plural(answer.n, 'event') : said));
    });
    if (!many && ['confirm', 'dismiss'].includes(action) && movesOn()) moveOn();
    else grid.redraw();
  }

  function label(name) {
    if (name === classes[0]) act('dismiss', {}, 'Normal, so dismissed:');
    else act('relabel', { label: name }, 'Called ' + name + ':');
  }
  function byNumber(i) {
    if (classes[i]) label(classes[i]);
    else notice.show('events', 'There is no class ' + i + '; the last is ' + (classes.length - 1) + '.');
  }

  // To the next one that is open; past the end of the list to none, and says so.
  async function moveOn() {
    for (let index = grid.current() + 1; index < pages.total(); index++) {
      const event = await pages.get(index);
      if (event?.state === 'open' && !pending.has(event.key)) return grid.go(index);
    }
    grid.redraw();
    turns.add(async () => notice.show('events', 'The list ends here. ' + (await endWords())));
  }
  async function endWords() {
    const { left } = await request('left', { reviewer: reviewer() });
    return left.n ? plural(left.n, 'event') + ' left in the library.' : 'Nothing is left in the library.';
  }

  function step(name, word) {
    turns.add(async () => {
      const answer = await request(name + '_events', { reviewer: reviewer(), request: token() });
      await took(answer, word + ': ' + answer.action + ' of ' + plural(answer.n, 'event'));
      const place = pages.indexOf(answer.changed[0]);
      if (place >= 0) grid.go(place);
    });
  }

  return {
    label,
    byNumber,
    offer: (names) => {
      classes = names;
    },
    act,
    undo: () => step('undo', 'Undid'),
    redo: () => step('redo', 'Redid'),
    isPending: (key) => pending.has(key),
  };
}
