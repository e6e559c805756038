// The events as cards side by side, one of them current.
import { find } from '../lib/dom.js';
import { clamp } from '../lib/format.js';
import { passBy } from '../lib/faults.js';
import { request } from '../lib/server.js';
import { makeStrips } from '../lib/strips.js';
import { makeVirtual } from '../lib/virtual.js';
import { state } from '../state.js';
import { makeCard } from './card.js';

const GAP_PX = 10;
const CARD_PX = 230; // the least width
const TEXT_PX = 106; // below its frame
const LOW_PX = 104; // a card on a narrow screen, its frame at its side
const NARROW_PX = 520;

// How many cards stand side by side, and how high a row is.
function measured(space) {
  const width = space.clientWidth;
  const narrow = width < NARROW_PX;
  const columns = narrow ? 1 : Math.max(1, Math.floor((width + GAP_PX) / (CARD_PX + GAP_PX)));
  const cardPx = (width - GAP_PX * (columns - 1)) / columns;
  const highPx = Math.round(narrow ? LOW_PX : (cardPx * 9) / 16 + TEXT_PX);
  space.style.setProperty('--card', cardPx + 'px');
  space.style.setProperty('--row', highPx + 'px');
  space.classList.toggle('rv-ev-low', narrow);
  return { columns, columnPx: cardPx + GAP_PX, rowPx: highPx + GAP_PX, gapPx: GAP_PX };
}

export function makeGrid({ pages, reviewer, isChosen, isPending, onCurrent }) {
  const scroll = find('.rv-ev-scroll');
  const space = find('.rv-ev-space');
  let current = -1;

  const isShown = () => state.view === 'events';
  const keyOf = ({ key }) => key;
  const virtual = makeVirtual({
    scroll,
    space,
    measured: () => measured(space),
    total: pages.total,
    at: pages.at,
    keyOf,
    make: makeCard,
    show: showCard,
    held: () => current,
    isShown,
    onDrawn(from, to) {
      pages.load(from, to).then(soon, passBy);
      strips.want();
    },
    onResize: () => current >= 0 && virtual.reveal(current),
  });
  const strips = makeStrips({
    keyOf,
    inView: () => pages.loadedBetween(...virtual.range()),
    ask: (events) => request('event_strips', { reviewer: reviewer(), events: events.map(keyOf) }),
    onStrips: () => virtual.shown().forEach(showStrip),
    isShown,
  });

  function showStrip(made) {
    const strip = strips.of(made.node.key);
    if (strip) made.showStrip(strip);
  }
  function showCard(made, event, index) {
    const { key } = event;
    made.show(event, { index, total: pages.total(), chosen: isChosen(key), pending: isPending(key) });
    showStrip(made);
    made.node.tabIndex = index === current || (current < 0 && index === virtual.range()[0]) ? 0 : -1;
    if (index === current) made.node.setAttribute('aria-current', 'true');
    else made.node.removeAttribute('aria-current');
  }

  let asked = '';
  function soon() {
    const now = pages.total() + ' ' + virtual.range().map((index) => pages.at(index)?.key);
    if (now === asked) return;
    asked = now;
    virtual.redraw();
  }

  async function go(index, focus = true) {
    if (!pages.total()) return;
    current = clamp(index, 0, pages.total() - 1);
    virtual.reveal(current);
    const mine = current;
    if (!pages.at(current)) virtual.draw(); // no card is current until this one is here
    await pages.get(current);
    if (mine !== current) return;
    virtual.draw();
    if (focus && !document.activeElement.matches('input')) virtual.nodeAt(current)?.focus({ preventScroll: true });
    onCurrent(pages.at(current));
  }

  const cardOf = (event) => event.target.closest?.('.rv-ev-card');
  space.addEventListener('focusin', (event) => {
    const card = cardOf(event);
    if (!card || Number(card.dataset.index) === current) return;
    current = Number(card.dataset.index);
    virtual.redraw();
    onCurrent(card.event);
  });

  return {
    go,
    cardOf,
    redraw: virtual.redraw,
    range: virtual.range,
    columns: virtual.columns,
    rows: virtual.rows,
    current: () => current,
    event: () => pages.at(current),
    reset() {
      current = -1;
      scroll.scrollTop = 0;
      virtual.measure();
    },
    show() {
      virtual.measure();
      virtual.draw();
    },
    focus: () => (virtual.nodeAt(current) ?? scroll).focus({ preventScroll: true }),
  };
}
