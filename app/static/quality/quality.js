// How good the model is: what was measured of it, side by side for every data set, and the plots of one of them.
import { find, make } from '../lib/dom.js';
import { wordsOf } from '../lib/faults.js';
import { request } from '../lib/server.js';
import { plotsOf } from './plots.js';
import { sideBySide } from './rows.js';

export function makeQuality() {
  const dialog = find('.rv-quality');
  const body = dialog.querySelector('.rv-q-body');
  const title = dialog.querySelector('.rv-q-model');
  dialog.querySelector('.rv-q-close').addEventListener('click', () => dialog.close());

  function table(panels) {
    const box = make('div', 'rv-q-scroll');
    box.tabIndex = 0;
    box.setAttribute('role', 'region');
    box.setAttribute('aria-label', 'Figures of every data set');
    const made = make('table', 'rv-q-table');
    const head = make('tr');
    head.append(make('td'), ...panels.map((shown) => named(make('th', '', shown.panel.dataset), 'col')));
    made.append(head);
    for (const { what, cells } of sideBySide(panels.map((shown) => shown.lines))) {
      const row = make('tr');
      row.append(named(make('th', '', what), 'row'));
      for (const cell of cells) {
        const held = make('td');
        if (cell) held.append(make('b', '', cell.value), make('small', '', cell.note));
        row.append(held);
      }
      made.append(row);
    }
    box.append(made);
    return box;
  }

  function choice(panels, onChoice) {
    const label = make('label', 'rv-q-choice', 'Plots of ');
    const field = make('select', 'rv-input');
    field.append(...panels.map((shown, i) => new Option(shown.panel.dataset, String(i))));
    field.addEventListener('change', () => onChoice(panels[Number(field.value)]));
    label.append(field);
    return label;
  }

  function plots(panels) {
    const box = make('div');
    const show = ({ title: text, panel, notes }) => {
      const list = make('ul', 'rv-q-notes');
      list.append(...notes.map((note) => make('li', '', note)));
      box.replaceChildren(make('p', 'rv-hint', text + '.'), plotsOf(panel), list);
    };
    show(panels[0]);
    return [choice(panels, show), box];
  }

  async function open(model_id) {
    title.textContent = model_id;
    body.replaceChildren(make('p', 'rv-hint', 'Reading what was measured…'));
    dialog.showModal();
    try {
      const { panels, missing } = await request('quality', { model_id });
      body.replaceChildren(
        ...(panels.length ? [table(panels), ...plots(panels)] : [make('p', 'rv-q-missing', missing)]),
      );
    } catch (error) {
      body.replaceChildren(make('p', 'rv-q-missing', wordsOf(error)));
    }
  }
  return open;
}

function named(cell, scope) {
  cell.scope = scope;
  return cell;
}
