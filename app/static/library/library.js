// The library beside the page, as a drawer on small screens, and the examples of the first page.
import { button, find, handOver, item, make, thumbnail } from '../lib/dom.js';
import { focusAfter } from '../lib/focus.js';
import { plural } from '../lib/format.js';
import { element } from '../lib/host.js';
import { listen, state } from '../state.js';
import { makeFilter } from './filter.js';
import { makeList } from './list.js';
import { makeRemoval } from './removal.js';
import { listedClips } from './sort.js';

export function makeLibrary({ onOpen, onExample, onAnalyse, onCancel, onRemoved }) {
  const menu = find('.rv-menu');
  const root = find('.rv');

  const removal = makeRemoval({ onRemoved });
  const list = makeList({
    onOpen: (which) => {
      toggle(false);
      onOpen(which);
    },
    onAnalyse,
    onCancel,
    onRemove: removal.open,
  });
  const filter = makeFilter({
    onChange(chosen) {
      if (chosen) list.toTop();
      draw();
    },
  });

  const isOpen = (entry) => (entry.analysis_id ? entry.analysis_id === state.analysis : entry.clip === state.clip);

  function draw() {
    const entries = state.status.library;
    const kept = listedClips(entries, filter.wish());
    list.show(kept, isOpen);
    const count = kept.length === entries.length ? String(entries.length) : kept.length + ' of ' + entries.length;
    const tally = find('.rv-tally');
    if (tally.textContent !== count) tally.textContent = entries.length ? count : '';
    find('.rv-none').hidden = entries.length > 0;
    find('.rv-nomatch').hidden = !entries.length || kept.length > 0;
  }

  function showKept(days) {
    for (const line of element.querySelectorAll('.rv-keep')) {
      line.textContent = days ? 'Clips are deleted after ' + plural(days, 'day') + '.' : '';
      line.hidden = !days;
    }
  }

  // Each is a video: they are not loaded beside a clip.
  function showExamples() {
    const { examples } = state.status;
    const shown = find('.rv-examples ul');
    if (root.dataset.view !== 'home' || shown.childElementCount === examples.length) return;
    find('.rv-examples').hidden = false;
    shown.replaceChildren(
      ...examples.map(({ name, url }) => {
        const opener = button('', 'rv-example', () => onExample(name));
        opener.append(thumbnail(url, 2), make('span', '', name.replace(/[.][^.]*$/, '').replace(/[-_]+/g, ' ')));
        return item(opener);
      }),
    );
  }

  function toggle(open = !root.classList.contains('rv-drawer')) {
    if (!open && root.classList.contains('rv-drawer')) handOver(find('.rv-library'), menu);
    root.classList.toggle('rv-drawer', open);
    menu.setAttribute('aria-expanded', String(open));
  }

  menu.addEventListener('click', () => toggle());
  find('.rv-main').addEventListener('click', () => toggle(false));
  find('.rv-nomatch button').addEventListener('click', (press) => {
    filter.clear();
    focusAfter(press, find('.rv-sift input'));
  });
  listen({
    status(status) {
      draw();
      showKept(status.keep_days);
      showExamples();
    },
    analysed: draw,
    closed() {
      draw();
      showExamples();
    },
  });
  return { open: () => toggle(true), close: () => toggle(false) };
}
