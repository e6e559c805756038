// The analyses under way, in the order in which they are done, which can be changed by hand; and what is left of them.
import { button, find, make, write } from '../lib/dom.js';
import { about, plural } from '../lib/format.js';
import { recall, remember } from '../lib/memory.js';
import * as notice from '../lib/notice.js';
import { request } from '../lib/server.js';
import { listen, state } from '../state.js';
import { stateOf } from './sort.js';
import { refresh } from './status.js';

const KEY = 'cmhkf-queue-open';

export function makeQueue({ onCancel }) {
  const box = find('.rv-line');
  const list = box.querySelector('ol');
  const all = find('.rv-all');
  const rows = new Map(); // by job

  const change = (name, data) => request(name, data).then(refresh).catch((error) => notice.fail('page', error)); // prettier-ignore

  // One place up or down, or to the front; the keyboard stays on the button.
  function move(job, step) {
    const waiting = state.status.queue.filter((each) => !each.running).map((each) => each.job);
    const place = waiting.indexOf(job);
    const before = { up: waiting[place - 1], first: waiting[0], down: waiting[place + 2] ?? '' }[step];
    const possible = step === 'down' ? place + 1 < waiting.length : place > 0;
    if (possible) change('move', { job, before });
  }

  function rowOf(job, name) {
    const row = make('li');
    const steps = [
      ['⤒', 'first', 'Do first: '],
      ['↑', 'up', 'Earlier: '],
      ['↓', 'down', 'Later: '],
    ].map(([sign, step, words]) => button(sign, 'rv-icon', () => move(job, step), words + name));
    const away = button('×', 'rv-icon', () => onCancel({ work: { job } }), 'Cancel the analysis of ' + name);
    const title = make('span', 'rv-name', name);
    title.title = name;
    row.append(title, make('span', 'rv-what'), ...steps, away);
    return row;
  }

  function show({ queue, library }) {
    const names = new Map(library.map(({ clip, name }) => [clip, name]));
    for (const [job, row] of rows)
      if (!queue.some((each) => each.job === job)) {
        row.remove();
        rows.delete(job);
      }
    const wanted = queue.map(({ job, clip, running, left_s }) => {
      if (!rows.has(job)) rows.set(job, rowOf(job, names.get(clip) ?? clip.slice(0, 12)));
      const row = rows.get(job);
      row.classList.toggle('rv-running', running);
      const when = left_s === null ? '' : about(left_s);
      const told = running ? ['now', when].filter(Boolean).join(' · ') : when ? 'done in ' + when : 'waits';
      write(row.querySelector('.rv-what'), told);
      return row;
    });
    if (wanted.some((row, i) => row !== list.children[i])) {
      const held = document.activeElement;
      list.replaceChildren(...wanted);
      if (held !== document.activeElement && held.isConnected) held.focus();
    }
    const last = queue.at(-1)?.left_s ?? null;
    const waiting = queue.filter((each) => !each.running).length;
    const words = plural(queue.length, 'clip') + ' to analyse' + (last === null ? '' : ' · ' + about(last));
    write(box.querySelector('summary'), words);
    box.hidden = !waiting; // the one that runs says so in its own row
    const idle = library.filter((entry) => stateOf(entry) === 'unseen').length;
    all.hidden = idle < 2;
    write(all, 'Analyse all ' + idle);
  }

  all.addEventListener('click', () => change('analyse_all'));
  box.open = recall(KEY) === 'yes';
  box.addEventListener('toggle', () => remember(KEY, box.open ? 'yes' : 'no'));
  listen({ status: show });
}
