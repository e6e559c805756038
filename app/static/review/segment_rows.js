// The rows of the table of segments.
import { make } from '../lib/dom.js';
import { clock } from '../lib/format.js';
import { state } from '../state.js';
import { markName } from './cut.js';
import { runsLine } from './runs_line.js';
import { STATES } from './segment_order.js';

function classCell(mark, name, filteredOut, onSeek) {
  const cell = make('td', 'rv-class', name);
  const add = (text, className = '') => cell.append(make('small', className, text));
  if (mark.model_label && mark.label !== mark.model_label) add('model: ' + mark.model_label);
  if (!mark.model_label) add('by hand');
  if (mark.class_runs.length) cell.append(runsLine(mark.class_runs, onSeek, -1)); // by keyboard they are in "Why"
  if (mark.note) add('✎ ' + mark.note, 'rv-noted');
  if (mark.provisional) add('provisional');
  if (filteredOut) add('filtered out');
  cell.title = [name, 'Model: ' + (mark.model_label || 'nothing flagged'), mark.note].filter(Boolean).join('\n');
  return cell;
}

function stateCell(mark) {
  const cell = make('td', 'rv-statecell');
  const [icon, word] = STATES[mark.state];
  cell.dataset.state = mark.state;
  const signs = [make('b', '', icon), make('span', '', word[0])];
  for (const sign of signs) sign.ariaHidden = 'true';
  cell.append(...signs, make('span', 'rv-off', word));
  cell.title = word;
  return cell;
}

function peakCell(mark) {
  const cell = make('td', 'rv-peak', mark.score === null ? '–' : mark.score.toFixed(2));
  if (mark.score === null) return cell;
  cell.style.setProperty('--share', mark.score);
  if (mark.peak_s !== null) cell.title = 'Peak at ' + clock(mark.peak_s);
  return cell;
}

function fill(row, mark, number, name, filteredOut, onSeek) {
  row.dataset.state = mark.state;
  const place = make('td');
  place.append(make('span', '', number), make('i', 'rv-frameof'));
  const times = [mark.start_s, mark.end_s].map((time) => make('td', '', clock(time, 1)));
  row.replaceChildren(place, ...times, classCell(mark, name, filteredOut, onSeek), stateCell(mark), peakCell(mark));
}

// Rows by segment, each written again only when it has other words: a long clip has hundreds.
export function makeRows({ onSeek }) {
  let rows = new Map(); // by id: { row, told }

  function rowFor(mark, number, filteredOut) {
    if (!rows.has(mark.id)) {
      const row = make('tr');
      row.tabIndex = -1; // one row is a stop of the Tab key, and the arrows go on from there
      row.dataset.id = mark.id;
      rows.set(mark.id, { row, told: '' });
    }
    const kept = rows.get(mark.id);
    const name = markName(state.curves, mark);
    const told = JSON.stringify([mark, number, name, filteredOut]);
    if (kept.told !== told) fill(kept.row, mark, number, name, filteredOut, onSeek);
    kept.told = told;
    return kept.row;
  }

  return {
    rowFor,
    knows: (mark) => rows.has(mark.id),
    keep: (marks) => {
      rows = new Map(marks.filter((m) => rows.has(m.id)).map((m) => [m.id, rows.get(m.id)]));
    },
  };
}

export function missHead() {
  const head = make('tr', 'rv-misshead');
  const cell = make('th', '', 'Near misses, below the threshold');
  cell.colSpan = 6;
  cell.scope = 'colgroup';
  head.append(cell);
  return head;
}
