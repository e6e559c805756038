// Decisions on the card that has the focus, or on all that are selected. Each is one step that undo takes back.
import { find } from '../lib/dom.js';
import { passBy, wordsOf } from '../lib/faults.js';
import { plural } from '../lib/format.js';
import * as notice from '../lib/notice.js';
import { refreshSoon } from '../library/status.js';
import { hasUnsent, isUnsent, send } from '../review/sending.js';
import { listen, state, tell } from '../state.js';
import { countLeft } from './left.js';

const DONE = { confirm: 'Confirmed', dismiss: 'Dismissed', reopen: 'Reopened', relabel: 'Called', note: 'Noted on', remove: 'Removed' }; // prettier-ignore
const NOT_HERE = 'No event is here to decide on; if one is on its way, press again when it is shown.';

export function makeDecide({ reviewer, decider, pages, grid, chosen, onFind }) {
  const movesOn = find('.rv-moveon input');
  const refused = new Map(); // an event's key: what is said of it, until somebody goes there or decides it anew
  let classes = []; // of the newest model, normal first
  let stepping = null; // an undo or redo on its way, which says what card is current after it
  let ended = false; // the last card was decided

  const nameOf = (event) => event.label + ' at ' + event.name;
  const refreshShown = () => pages.refresh(...grid.range()).then(grid.redraw);
  const isListed = (event) => pages.indexOf(event.key) >= 0;

  // What was refused while the user is elsewhere by now stays in sight.
  function say(words, bad = false) {
    const [first] = refused;
    if (!first) return notice.show('events', words, { bad });
    const [key, why] = first;
    function goThere() {
      refused.delete(key);
      onFind(key);
    }
    const lost = plural(refused.size, 'decision') + ' not saved: ' + why;
    notice.show('events', [words, lost].filter(Boolean).join(' · '), { bad: true, act: ['Go to it', goThere] });
  }

  // `what` names it where it is not one event that is refused.
  function refuse(event, what, why) {
    const isHere = state.view === 'events' && (!event || event.key === grid.event()?.key);
    if (event && !isHere) refused.set(event.key, nameOf(event) + ': ' + why);
    say(refused.size ? '' : isHere ? why : what + ' not saved: ' + why, true);
    refreshShown();
  }

  async function took(answer, words) {
    pages.replace(answer.events);
    tell('left', answer);
    refreshSoon();
    const rest = answer.left_out ? ' · ' + plural(answer.left_out, 'event') + ' left out: ' + answer.reason : '';
    say(words + rest + ' · ' + answer.left.n + ' left');
    grid.redraw();
    if (ended && !hasUnsent()) sayEnd().catch((error) => notice.fail('events', error));
    if (answer.events.length === answer.changed.length && answer.events.every(isListed)) return;
    await refreshShown().catch(passBy); // one is gone or new, or there are too many to be told
    if (state.view === 'events') await grid.go(grid.current()); // the card that is at its place now
  }

  // `more`: the label or the note that goes with it.
  function act(action, more = {}, words = DONE[action]) {
    if (stepping) return void stepping.then(() => act(action, more, words));
    const event = chosen.size() ? null : grid.event();
    if (!event && !chosen.size()) return say(NOT_HERE, true);
    const which = event ? { events: [event.key] } : chosen.named();
    const [what, who] = [action + ' of ' + plural(event ? 1 : chosen.size(), 'event'), decider()];
    ended = false;
    for (const key of which.events ?? []) refused.delete(key);
    const decides = event ? (key) => key === event.key : chosen.now();
    chosen.clear();
    send('decide_events', async () => ({ ...which, reviewer: await who, action, ...more }), { decides }).then(
      (answer) => {
        if (event && !answer.n) refuse(event, what, answer.reason);
        else took(answer, words + ' ' + (event ? nameOf(event) : plural(answer.n, 'event')));
      },
      (error) => refuse(event, what, wordsOf(error)),
    );
    if (event && ['confirm', 'dismiss'].includes(action) && movesOn.checked)
      moveOn().catch((error) => notice.fail('events', error));
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
      if (!pages.at(index)) {
        await grid.go(index); // so that no key is for the card that was decided
        if (grid.current() !== index || !pages.at(index)) return;
      }
      const event = pages.at(index);
      if (event.state === 'open' && !isUnsent(event.key)) return grid.go(index);
    }
    ended = true;
    grid.redraw();
  }
  async function sayEnd() {
    const answer = await countLeft(reviewer, () => ended);
    if (!answer) return;
    const { n } = answer.left;
    say(
      'The list ends here. ' + (n ? plural(n, 'event') + ' left in the library.' : 'Nothing is left in the library.'),
    );
  }

  function step(name, word) {
    const who = decider();
    ended = false;
    const done = send(name + '_events', async () => ({ reviewer: await who })).then(async (answer) => {
      await took(answer, word + ': ' + answer.action + ' of ' + plural(answer.n, 'event'));
      const place = pages.indexOf(answer.changed[0]);
      if (place >= 0) return grid.go(place);
    });
    stepping = done
      .catch((error) => refuse(null, name, wordsOf(error)))
      .then(() => {
        stepping = null;
      });
  }

  listen({
    decided: ({ changed }) => changed.forEach((segment) => refused.delete(state.analysis + '/' + segment)),
    reviewer() {
      refused.clear(); // another person's
      notice.clear('events');
    },
  });

  return {
    label,
    byNumber,
    // That card is current.
    reached: (key) => refused.delete(key),
    // The list is on screen again.
    remind: () => state.view === 'events' && refused.size && say(''),
    offer: (names) => {
      classes = names;
    },
    act,
    undo: () => step('undo', 'Undid'),
    redo: () => step('redo', 'Redid'),
  };
}
