// The cards that are in view, and no others: a grid that is as long as its list, whatever that holds.
import { find } from '../lib/dom.js';
import { clamp } from '../lib/format.js';
import { passBy } from '../lib/faults.js';
import { pause } from '../lib/jobs.js';
import { request } from '../lib/server.js';
import { makeCard } from './card.js';

const GAP = 10;
const CARD_PX = 230; // the least width
const TEXT_PX = 110; // below its frame
const LOW_PX = 104; // a card on a narrow screen, its frame at its side
const NARROW_PX = 520;
const MORE_ROWS = 2; // drawn beyond what is in view

export function makeGrid({ pages, question, isChosen, isPending, onCurrent }) {
  const scroll = find('.rv-ev-scroll');
  const space = find('.rv-ev-space');
  const cards = new Map(); // by index
  const spare = [];
  const strips = new Map(); // by key: {url, error, peak}
  let current = -1;
  let columns = 1;
  let rowPx = 200;
  let frames = 1;
  let drawing = false;

  function measure() {
    const width = space.clientWidth;
    const narrow = width < NARROW_PX;
    columns = narrow ? 1 : Math.max(1, Math.floor((width + GAP) / (CARD_PX + GAP)));
    const cardPx = (width - GAP * (columns - 1)) / columns;
    rowPx = Math.round(narrow ? LOW_PX : (cardPx * 9) / 16 + TEXT_PX) + GAP;
    space.style.setProperty('--card', cardPx + 'px');
    space.style.setProperty('--row', rowPx - GAP + 'px');
    space.classList.toggle('rv-ev-low', narrow);
  }

  function range() {
    const top = Math.floor(scroll.scrollTop / rowPx) - MORE_ROWS;
    const bottom = Math.ceil((scroll.scrollTop + scroll.clientHeight) / rowPx) + MORE_ROWS;
    return [Math.max(0, top * columns), Math.min(pages.total() - 1, bottom * columns - 1)];
  }

  function draw() {
    const total = pages.total();
    space.style.height = Math.max(0, Math.ceil(total / columns) * rowPx - GAP) + 'px';
    const [from, to] = range();
    const wanted = new Set();
    for (let index = from; index <= to; index++) wanted.add(index);
    if (current >= 0 && current < total) wanted.add(current); // it may have the focus
    for (const [index, made] of cards)
      if (!wanted.has(index) || !pages.at(index)) {
        cards.delete(index);
        made.rest();
        made.card.remove();
        spare.push(made);
      }
    const held = document.activeElement;
    for (const index of wanted) {
      const event = pages.at(index);
      if (!event) continue;
      let made = cards.get(index);
      if (!made) {
        made = spare.pop() ?? makeCard();
        cards.set(index, made);
      }
      made.show(event, { index, total, chosen: isChosen(event.key), pending: isPending(event.key) });
      if (strips.has(event.key)) made.showStrip(strips.get(event.key), frames);
      const { card } = made;
      card.style.transform =
        'translate(calc(' +
        (index % columns) +
        ' * (var(--card) + ' +
        GAP +
        'px)), ' +
        Math.floor(index / columns) * rowPx +
        'px)';
      card.tabIndex = index === current || (current < 0 && index === from) ? 0 : -1;
      if (index === current) card.setAttribute('aria-current', 'true');
      else card.removeAttribute('aria-current');
      if (!card.isConnected) place(card, index);
    }
    if (held !== document.activeElement && held?.isConnected) held.focus({ preventScroll: true });
    pages.load(from, to).then(soon, passBy);
    wantStrips();
  }

  // In the order of the list, for who reads by Tab or aloud.
  function place(card, index) {
    const after = [...space.children].find((other) => Number(other.dataset.index) > index);
    space.insertBefore(card, after ?? null);
  }

  let asked = '';
  function soon() {
    const now = pages.total() + ' ' + range().map((index) => pages.at(index)?.key);
    if (now === asked) return;
    asked = now;
    redraw();
  }
  function redraw() {
    if (drawing) return;
    drawing = true;
    requestAnimationFrame(() => {
      drawing = false;
      if (find('.rv').dataset.view === 'events') draw();
    });
  }

  // Frames of what is in view, until all are here or something else is in view.
  let looking = 0;
  function wantStrips() {
    clearTimeout(looking);
    looking = setTimeout(() => followStrips().catch(passBy), 120);
  }
  async function followStrips() {
    for (const mine = looking; mine === looking && find('.rv').dataset.view === 'events'; await pause(500)) {
      const missing = pages
        .loadedBetween(...range())
        .filter(({ key }) => !(strips.get(key)?.url || strips.get(key)?.error));
      if (!missing.length) return;
      const answer = await request('event_strips', {
        ...question(),
        events: missing.slice(0, 100).map(({ key }) => key),
      });
      frames = answer.frames;
      for (const [key, strip] of Object.entries(answer.strips)) strips.set(key, strip);
      for (const made of cards.values())
        if (strips.has(made.card.key)) made.showStrip(strips.get(made.card.key), frames);
    }
  }

  // Only as far as it must.
  function reveal(index) {
    const top = Math.floor(index / columns) * rowPx;
    const low = Math.max(0, top + rowPx - scroll.clientHeight);
    scroll.scrollTop = clamp(scroll.scrollTop, low, top);
  }

  async function go(index, focus = true) {
    if (!pages.total()) return;
    current = clamp(index, 0, pages.total() - 1);
    reveal(current);
    const mine = current;
    await pages.get(current);
    if (mine !== current) return;
    draw();
    if (focus) cards.get(current)?.card.focus({ preventScroll: true });
    onCurrent(pages.at(current));
  }

  scroll.addEventListener('scroll', redraw, { passive: true });
  new ResizeObserver(() => {
    if (!scroll.clientWidth) return;
    measure();
    if (current >= 0) reveal(current);
    redraw();
  }).observe(scroll);
  const cardOf = (event) => event.target.closest?.('.rv-ev-card');
  space.addEventListener('focusin', (event) => {
    const card = cardOf(event);
    if (!card || Number(card.dataset.index) === current) return;
    current = Number(card.dataset.index);
    redraw();
    onCurrent(card.event);
  });

  return {
    go,
    redraw,
    range,
    cardOf,
    columns: () => columns,
    rows: () => Math.max(1, Math.floor(scroll.clientHeight / rowPx)),
    current: () => current,
    event: () => pages.at(current),
    reset() {
      current = -1;
      scroll.scrollTop = 0;
      measure();
    },
    show() {
      measure();
      draw();
    },
    focus: () => (cards.get(current)?.card ?? scroll).focus({ preventScroll: true }),
  };
}
