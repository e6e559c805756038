// What is done with the selected events by buttons, and the line in which a note is typed.
import { find, make, say } from '../lib/dom.js';
import { plural } from '../lib/format.js';
import * as notice from '../lib/notice.js';
import { request } from '../lib/server.js';

export function makeBar({ decide, grid, chosen, named, onLabel, onReel }) {
  const bulk = find('.rv-ev-bulk');
  const relabel = bulk.querySelector('select');
  const note = find('.rv-ev-note');
  const field = note.querySelector('input');

  for (const act of bulk.querySelectorAll('[data-act]'))
    act.addEventListener('click', () => {
      decide.act(act.dataset.act);
      grid.focus();
    });
  relabel.addEventListener('change', () => {
    if (relabel.value) onLabel(relabel.value);
    relabel.value = '';
    grid.focus();
  });
  find('.rv-ev-unchoose').addEventListener('click', () => {
    chosen.clear();
    grid.focus();
  });
  find('.rv-ev-export').addEventListener('click', async () => {
    try {
      const { url, n } = await request('export_events', named());
      const link = make('a');
      Object.assign(link, { href: url, download: 'events.csv' });
      link.click();
      notice.show('events', plural(n, 'event') + ' written to a table.');
    } catch (error) {
      notice.fail('events', error);
    }
  });

  find('.rv-ev-reel').addEventListener('click', () => onReel(named(), plural(chosen.size(), 'selected event')));

  field.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' && event.key !== 'Escape') return;
    event.stopPropagation();
    event.preventDefault();
    if (event.key === 'Enter') decide.act('note', { note: field.value });
    note.hidden = true;
    grid.focus();
  });

  return {
    show() {
      const n = chosen.size();
      bulk.hidden = !n;
      bulk.querySelector('b').textContent = plural(n, 'event') + ' selected';
      if (n) say(plural(n, 'event') + ' selected');
    },
    offer(names) {
      if (relabel.options.length !== names.length + 1)
        relabel.replaceChildren(relabel.options[0], ...names.map((name) => new Option(name, name)));
    },
    // Enter keeps it.
    writeNote() {
      if (!grid.event()) return;
      note.hidden = false;
      field.value = chosen.size() ? '' : grid.event().note;
      field.focus();
    },
  };
}
