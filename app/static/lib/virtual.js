// The items of a long list that are in view, and no others, each at its place in a box that is as long as the list.
import { lay } from './dom.js';
import { clamp } from './format.js';

const MORE_PX = 480; // drawn above and below what is in view

/**
 * `space` is the box, `scroll` what scrolls it. `measured` gives how many columns there are, how far columns and rows
 * are apart, and what of a row is a gap. `at` gives an item by its index, or nothing while it is not here, `make` what
 * shows one: {node, rest?}, kept as long as its key is in view. `held` is the index of an item that stays, for it may
 * have the focus; -1: none.
 */
export function makeVirtual({
  scroll,
  space,
  measured,
  total,
  at,
  keyOf,
  make,
  show,
  held,
  isShown,
  onDrawn,
  onResize = () => {},
}) {
  let shown = new Map(); // by key, in order
  let layout = measured();
  let drawing = false;

  const measure = () => {
    layout = measured();
  };

  // From the first to the last index that is in view, or not further from it.
  function range(morePx = MORE_PX) {
    const { columns, rowPx } = layout;
    const more = Math.ceil(morePx / rowPx);
    const top = Math.floor(scroll.scrollTop / rowPx) - more;
    const bottom = Math.ceil((scroll.scrollTop + scroll.clientHeight) / rowPx) + more;
    return [Math.max(0, top * columns), Math.min(total() - 1, bottom * columns - 1)];
  }

  // The range, and what is held before or after it.
  function wanted([from, to]) {
    const indices = Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
    const index = held();
    if (index < 0 || index >= total() || (from <= index && index <= to)) return indices;
    return index < from ? [index, ...indices] : [...indices, index];
  }

  function draw() {
    const { columns, columnPx, rowPx, gapPx } = layout;
    space.style.height = Math.max(0, Math.ceil(total() / columns) * rowPx - gapPx) + 'px';
    const [from, to] = range();
    const before = shown;
    shown = new Map();
    for (const index of wanted([from, to])) {
      const item = at(index);
      if (!item) continue;
      const key = keyOf(item);
      const made = before.get(key) ?? make(key);
      shown.set(key, made);
      show(made, item, index);
      made.node.dataset.index = index;
      made.node.style.transform =
        'translate(' + (index % columns) * columnPx + 'px, ' + Math.floor(index / columns) * rowPx + 'px)';
    }
    for (const [key, made] of before) if (!shown.has(key)) made.rest?.();
    const active = document.activeElement;
    lay(
      space,
      [...shown.values()].map(({ node }) => node),
    );
    if (active !== document.activeElement && active?.isConnected) active.focus({ preventScroll: true });
    onDrawn(from, to);
  }

  function redraw() {
    if (drawing) return;
    drawing = true;
    requestAnimationFrame(() => {
      drawing = false;
      if (isShown()) draw();
    });
  }

  // Only as far as it must.
  function reveal(index) {
    const { columns, rowPx } = layout;
    const top = Math.floor(index / columns) * rowPx;
    const low = Math.max(0, top + rowPx - scroll.clientHeight);
    scroll.scrollTop = clamp(scroll.scrollTop, low, top);
  }

  scroll.addEventListener('scroll', redraw, { passive: true });
  new ResizeObserver(() => {
    if (!scroll.clientWidth) return;
    measure();
    onResize();
    redraw();
  }).observe(scroll);

  return {
    measure,
    range,
    draw,
    redraw,
    reveal,
    columns: () => layout.columns,
    rows: () => Math.max(1, Math.floor(scroll.clientHeight / layout.rowPx)),
    shown: () => [...shown.values()],
    nodeAt: (index) => at(index) && shown.get(keyOf(at(index)))?.node,
  };
}
