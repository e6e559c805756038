// The view of the events of the whole library: what is listed, walked, selected and decided there.
import { find, make, say } from '../lib/dom.js';
import { passBy, wordsOf } from '../lib/faults.js';
import { plural } from '../lib/format.js';
import { element } from '../lib/host.js';
import { pause } from '../lib/jobs.js';
import * as notice from '../lib/notice.js';
import { keepAddress } from '../lib/router.js';
import { request } from '../lib/server.js';
import { listen, state } from '../state.js';
import { makeChosen } from './choose.js';
import { makeDecide } from './decide.js';
import { makeGrid } from './grid.js';
import { bindKeys } from './keys.js';
import { makePages } from './pages.js';
import { makeWish } from './wish.js';

export function makeEvents({ reviewer, onOpen, onClip }) {
  const root = find('.rv');
  const count = find('.rv-ev-count');
  let wanted = ''; // the key that an address names
  let outdated = true; // the list is opened anew when it is looked at
  let following = 0;
  let fresh = true; // no list was opened yet that one may come back to

  const list = () => ({ ...wish.values() });
  const question = () => ({ reviewer: reviewer(), ...list() });
  const pages = makePages({ question, onNews });
  const chosen = makeChosen({ pages, onChange: showChosen });
  const grid = makeGrid({
    pages,
    question: () => ({ reviewer: reviewer() }),
    isChosen: chosen.has,
    isPending: (key) => decide.isPending(key),
    onCurrent(event) {
      wanted = event?.key ?? '';
      keepAddress();
    },
  });
  const decide = makeDecide({
    reviewer,
    list,
    pages,
    grid,
    chosen,
    movesOn: () => find('.rv-moveon input').checked,
    onOutdated: () => pages.refresh(...grid.range()).then(grid.redraw),
  });
  const wish = makeWish({ reviewer, onChange: () => open() });
  const isShown = () => root.dataset.view === 'events';

  function onNews({ total, complete, n_done, n_clips_all }) {
    count.textContent = complete
      ? plural(total, 'event')
      : total + ' so far; ' + n_done + ' of ' + n_clips_all + ' clips looked into';
    find('.rv-ev-none').hidden = total > 0 || !complete;
  }

  // The list anew; at the card that is named, or at the top.
  async function open(key = '', again = false) {
    outdated = false;
    chosen.clear();
    const mine = ++following;
    try {
      const answer = await pages.open(key, again);
      if (!answer || mine !== following) return;
      grid.reset();
      grid.show();
      if (pages.total()) await grid.go(answer.index ?? 0, !find('.rv-ev-wish').contains(document.activeElement));
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
    classNames = choices.classes;
    if (relabel.options.length !== classNames.length + 1)
      relabel.replaceChildren(relabel.options[0], ...classNames.map((name) => new Option(name, name)));
  }

  // As long as the library is being looked into, the list goes on growing.
  async function grow(mine, answer) {
    while (mine === following && isShown() && !answer.complete) {
      await pause(300);
      answer = await pages.open(wanted, true);
      if (!answer) return;
      grid.redraw();
      if (answer.complete) offer().catch(passBy);
    }
  }

  function showChosen() {
    const n = chosen.size();
    find('.rv-ev-bulk').hidden = !n;
    find('.rv-ev-bulk b').textContent = plural(n, 'event') + ' selected';
    if (n) say(plural(n, 'event') + ' selected');
    grid.redraw();
  }

  function label(name) {
    if (name === classes()[0]) decide.act('dismiss', {}, 'Normal, so dismissed:');
    else decide.act('relabel', { label: name }, 'Called ' + name + ':');
  }
  let classNames = [];
  const classes = () => classNames;
  function byNumber(i) {
    if (classes()[i]) label(classes()[i]);
    else notice.show('events', 'There is no class ' + i + '; the last is ' + (classes().length - 1) + '.');
  }

  // A note is typed in a line below the list, and kept by Enter.
  const note = find('.rv-ev-note');
  function writeNote() {
    if (!grid.event()) return;
    note.hidden = false;
    note.querySelector('input').value = chosen.size() ? '' : grid.event().note;
    note.querySelector('input').focus();
  }
  note.querySelector('input').addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' && event.key !== 'Escape') return;
    event.stopPropagation();
    event.preventDefault();
    if (event.key === 'Enter') decide.act('note', { note: event.target.value });
    note.hidden = true;
    grid.focus();
  });

  const openClip = (event = grid.event()) =>
    event && onOpen({ analysis_id: event.analysis_id }, event.start_s, event.segment);

  const walk = (by) => grid.go(Math.max(0, grid.current()) + by);
  const reach = async (by) => {
    const from = Math.max(0, grid.current());
    await grid.go(from + by);
    await chosen.reach(from, grid.current());
  };
  bindKeys({
    isShown,
    actions: {
      left: () => walk(-1),
      right: () => walk(1),
      up: () => walk(-grid.columns()),
      down: () => walk(grid.columns()),
      pageUp: () => walk(-grid.columns() * grid.rows()),
      pageDown: () => walk(grid.columns() * grid.rows()),
      first: () => grid.go(0),
      last: () => grid.go(pages.total() - 1),
      reachLeft: () => reach(-1),
      reachRight: () => reach(1),
      reachUp: () => reach(-grid.columns()),
      reachDown: () => reach(grid.columns()),
      choose: () => grid.event() && chosen.toggle(grid.event().key, grid.current()),
      all: chosen.all,
      none: () => (chosen.size() ? chosen.clear() : undefined),
      open: () => openClip(),
      confirm: () => decide.act('confirm'),
      dismiss: () => decide.act('dismiss'),
      reopen: () => decide.act('reopen'),
      remove: () => decide.act('remove'),
      undo: decide.undo,
      redo: decide.redo,
      note: writeNote,
      label: byNumber,
    },
  });

  const space = find('.rv-ev-space');
  space.addEventListener('click', (event) => {
    const card = grid.cardOf(event);
    if (!card) return;
    const index = Number(card.dataset.index);
    if (event.shiftKey) chosen.reach(Math.max(0, grid.current()), index).then(() => grid.go(index), passBy);
    else if (event.ctrlKey || event.metaKey || event.target.closest('.rv-ev-box')) chosen.toggle(card.key, index);
    grid.go(index);
  });
  space.addEventListener('dblclick', (event) => openClip(grid.cardOf(event)?.event));

  // The bar over the list while some are selected.
  const bulk = find('.rv-ev-bulk');
  const relabel = bulk.querySelector('select');
  for (const act of bulk.querySelectorAll('[data-act]'))
    act.addEventListener('click', () => {
      decide.act(act.dataset.act);
      grid.focus();
    });
  relabel.addEventListener('change', () => {
    if (relabel.value) label(relabel.value);
    relabel.value = '';
    grid.focus();
  });
  find('.rv-ev-export').addEventListener('click', () => onExport());
  find('.rv-ev-unchoose').addEventListener('click', () => {
    chosen.clear();
    grid.focus();
  });

  async function onExport() {
    try {
      const answer = await request('export_events', { reviewer: reviewer(), ...chosen.named(list()) });
      const link = make('a', '', '');
      Object.assign(link, { href: answer.url, download: '' });
      link.click();
      notice.show('events', plural(answer.n, 'event') + ' written to a table.');
    } catch (error) {
      notice.fail('events', error);
    }
  }

  const blind = find('.rv-ev-blind input');
  blind.addEventListener('change', () =>
    request('choose', { reviewer: reviewer(), blind: blind.checked }).then(() => open(wanted), passBy),
  );
  function showChoices(choices) {
    blind.checked = choices.blind;
    wish.showSaved(choices);
  }

  for (const tab of element.querySelectorAll('.rv-views button'))
    tab.addEventListener('click', () => (tab.dataset.go === 'events' ? onOpen(null) : onClip()));

  listen({
    recut: () => (isShown() ? open(wanted) : (outdated = true)),
    reviewer: () => (isShown() ? open(wanted) : (outdated = true)),
    decided: () => {
      outdated = true;
    },
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
    showChoices,
    // The view comes on screen: at the card that was left, in the list as it was.
    async show() {
      for (const tab of element.querySelectorAll('.rv-views button'))
        tab.setAttribute('aria-pressed', String((tab.dataset.go === 'events') === isShown()));
      if (!isShown()) return;
      if (outdated || !pages.total()) await open(wanted, Boolean(pages.asOf()) && !fresh);
      else {
        grid.show();
        await grid.go(grid.current());
      }
      fresh = false;
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
