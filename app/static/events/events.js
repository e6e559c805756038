// The view of the events of the whole library: what is listed, walked, selected and decided there.
import { find } from '../lib/dom.js';
import { passBy, wordsOf } from '../lib/faults.js';
import { plural } from '../lib/format.js';
import { element } from '../lib/host.js';
import { pause } from '../lib/jobs.js';
import { digitActions } from '../lib/keys.js';
import * as notice from '../lib/notice.js';
import { keepAddress } from '../lib/router.js';
import { request } from '../lib/server.js';
import { isUnsent } from '../review/sending.js';
import { listen, state } from '../state.js';
import { makeBar } from './bar.js';
import { makeChosen } from './choose.js';
import { makeDecide } from './decide.js';
import { makeGrid } from './grid.js';
import { makePages } from './pages.js';
import { bindWalk } from './walk.js';
import { makeWish } from './wish.js';

export function makeEvents({ reviewer, decider, onOpen, onClip, onReel }) {
  const count = find('.rv-ev-count');
  let wanted = ''; // the key that an address names
  let outdated = true; // the list is opened anew when it is looked at
  let following = 0;
  let fresh = true; // no list was opened yet that one may come back to

  const question = () => ({ reviewer: reviewer(), ...wish.told() });
  const pages = makePages({ question, onNews: (answer) => showCount(answer.total, answer) });
  const chosen = makeChosen({ pages, onChange: showChosen });
  const grid = makeGrid({
    pages,
    reviewer,
    isChosen: chosen.has,
    isPending: isUnsent,
    onCurrent(event) {
      wanted = event?.key ?? '';
      decide.reached(wanted);
      keepAddress();
    },
  });
  const onFind = (key) => (wanted = key) && (isShown() ? open(key, true) : onOpen(null));
  const decide = makeDecide({ reviewer, decider, pages, grid, chosen, onFind });
  const bar = makeBar({
    decide,
    grid,
    chosen,
    named: () => ({ reviewer: reviewer(), ...chosen.named() }),
    onLabel: decide.label,
    onReel,
  });
  const wish = makeWish({ reviewer, onChange: () => open(), onBlind: () => open(wanted) });
  const isShown = () => state.view === 'events';

  function showCount(total, { complete, n_done, n_clips_all }) {
    count.textContent = complete
      ? plural(total, 'event')
      : total + ' so far; ' + n_done + ' of ' + n_clips_all + ' clips looked into';
    find('.rv-ev-none').hidden = total > 0 || !complete;
  }

  // The list anew, or `again` as it was; at the card that is named, or at the one that is current by the time it is here,
  // for what is on screen is walked and decided on meanwhile; else at the top.
  async function open(key = '', again = false) {
    outdated = false;
    if (!again) chosen.clear();
    const mine = ++following;
    try {
      const answer = await pages.open(key, again);
      if (!answer || mine !== following) return;
      const index = key && wanted !== key ? pages.indexOf(wanted) : (answer.index ?? 0);
      if (index < 0) return await open(wanted, true);
      grid.reset();
      grid.show();
      if (pages.total()) await grid.go(index, !find('.rv-ev-wish').contains(document.activeElement));
      offer().catch(passBy);
      await grow(mine, answer);
    } catch (error) {
      notice.show('events', wordsOf(error), { bad: true });
    }
    keepAddress();
  }
  async function offer() {
    const choices = await request('event_choices', { reviewer: reviewer() });
    wish.offer(choices);
    bar.offer(choices.classes);
    decide.offer(choices.classes);
  }

  // While the library is looked into the list stays as it is, so that nobody decides on what has just moved; then it is
  // opened once more.
  async function grow(mine, answer) {
    if (answer.complete) return;
    while (!answer.complete) {
      await pause(300);
      if (mine !== following || !isShown()) return;
      answer = await request('left', { reviewer: reviewer() });
      showCount(pages.total(), answer);
    }
    if (mine === following && isShown()) await open(wanted, true);
  }

  function showChosen() {
    bar.show();
    grid.redraw();
  }

  const openClip = (event = grid.event()) =>
    event && onOpen({ analysis_id: event.analysis_id }, event.start_s, event.segment);

  bindWalk({
    grid,
    pages,
    chosen,
    decide,
    openClip,
    isShown,
    actions: { note: bar.writeNote, ...digitActions(decide.byNumber) },
  });

  const tabs = [...element.querySelectorAll('.rv-views button')];
  for (const tab of tabs) tab.addEventListener('click', () => (tab.dataset.go === 'events' ? onOpen(null) : onClip()));

  listen({
    back: () => isShown() && grid.go(grid.current()),
    recut: () => (isShown() ? open(wanted) : (outdated = true)),
    reviewer: () => (isShown() ? open(wanted) : (outdated = true)),
    decided: () => (outdated = true),
    status({ library }) {
      const now = library.filter((entry) => entry.analysis_id).length;
      if (now !== seen && isShown() && seen >= 0) open(wanted, true);
      else if (now !== seen) outdated = true;
      seen = now;
    },
    address(words) {
      if (state.view && wanted) words.set('event', wanted);
    },
    restored(words) {
      if (words.has('event')) wanted = words.get('event');
      outdated = true;
    },
  });
  let seen = -1; // analyses

  return {
    showChoices: wish.showChoices,
    // The view comes on screen: at the card that was left, in the list as it was.
    async show() {
      for (const tab of tabs) tab.ariaPressed = String((tab.dataset.go === 'events') === isShown());
      if (!isShown()) return notice.clear('events');
      if (outdated || grid.event()?.key !== wanted) await open(wanted, Boolean(pages.asOf()) && !fresh);
      else {
        grid.show();
        await grid.go(grid.current());
      }
      fresh = false;
      decide.remind();
    },
    // For the counter: what is left, first of all.
    left() {
      wish.set({ state: 'open' });
      wanted = '';
      fresh = outdated = true;
      return onOpen(null);
    },
  };
}
