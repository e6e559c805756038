// The cards that are in view, and no others: a grid that is as long as its list, whatever that holds.
import { find } from '../lib/dom.js';
import { clamp } from '../lib/format.js';
import { passBy } from '../lib/faults.js';
import { state } from '../state.js';
import { makeCard } from './card.js';
import { makeStrips } from './strips.js';

const GAP = 10;
const CARD_PX = 230; // the least width
const TEXT_PX = 106; // below its frame
const LOW_PX = 104; // a card on a narrow screen, its frame at its side
const NARROW_PX = 520;
const MORE_ROWS = 2; // drawn beyond what is in view

// How many cards stand side by side, and how high a row is.
function measured(space) {
  const width = space.clientWidth;
  const narrow = width < NARROW_PX;
  const columns = narrow ? 1 : Math.max(1, Math.floor((width + GAP) / (CARD_PX + GAP)));
  const cardPx = (width - GAP * (columns - 1)) / columns;
  const rowPx = Math.round(narrow ? LOW_PX : (cardPx * 9) / 16 + TEXT_PX) + GAP;
  space.style.setProperty('--card', cardPx + 'px');
  space.style.setProperty('--row', rowPx - GAP + 'px');
  space.classList.toggle('rv-ev-low', narrow);
  return { columns, rowPx };
}

// In the order of the list, for who reads by Tab or aloud.
function place(space, card, index) {
  const after = [...space.children].find((other) => Number(other.dataset.index) > index);
  space.insertBefore(card, after ?? null);
}

export function makeGrid({ pages, reviewer, isChosen, isPending, onCurrent }) {
  const scroll = find('.rv-ev-scroll');
  const space = find('.rv-ev-space');
  const cards = new Map(); // by index
  const spare = [];
  let current = -1;
  let columns = 1;
  let rowPx = 200;
  let drawing = false;

  const strips = makeStrips({
    reviewer,
    inView: () => pages.loadedBetween(...range()),
    onStrips: () => [...cards.values()].forEach(showStrip),
  });
  function showStrip(made) {
    const strip = strips.of(made.card.key);
    if (strip) made.showStrip(strip, strips.frames());
  }

  function measure() {
    ({ columns, rowPx } = measured(space));
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
      showStrip(made);
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
      if (!card.isConnected) place(space, card, index);
    }
    if (held !== document.activeElement && held?.isConnected) held.focus({ preventScroll: true });
    pages.load(from, to).then(soon, passBy);
    strips.want();
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
      if (state.view === 'events') draw();
    });
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
