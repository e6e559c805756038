// From card to card, by keys and by the pointer.
import { find } from '../lib/dom.js';
import { passBy } from '../lib/faults.js';
import { bindKeys } from './keys.js';

export function bindWalk({ grid, pages, chosen, decide, openClip, isShown, actions }) {
  const here = () => Math.max(0, grid.current());
  const walk = (by) => grid.go(here() + by);
  async function reach(by) {
    const from = here();
    await grid.go(from + by);
    await chosen.reach(from, grid.current());
  }

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
      none: chosen.clear,
      open: () => openClip(),
      confirm: () => decide.act('confirm'),
      dismiss: () => decide.act('dismiss'),
      reopen: () => decide.act('reopen'),
      remove: () => decide.act('remove'),
      undo: decide.undo,
      redo: decide.redo,
      ...actions,
    },
  });

  const space = find('.rv-ev-space');
  space.addEventListener('click', (event) => {
    const card = grid.cardOf(event);
    if (!card) return;
    const index = Number(card.dataset.index);
    if (event.shiftKey) chosen.reach(here(), index).then(() => grid.go(index), passBy);
    else if (event.ctrlKey || event.metaKey || event.target.closest('.rv-ev-box')) chosen.toggle(card.key, index);
    grid.go(index);
  });
  space.addEventListener('dblclick', (event) => openClip(grid.cardOf(event)?.event));
}
