// The table of segments as elements: rows that stay when others come, the one where Tab stops, and the arrows between.
// A long clip has hundreds of rows: of a list that is new those in view come first.
import { find, lay } from '../lib/dom.js';
import { clamp } from '../lib/format.js';
import { state } from '../state.js';
import { makeRows, missHead } from './segment_rows.js';

const SCREENFUL = 60; // rows of which more are never in view

// `onPick` is given the id of a row that was clicked or entered, `onSeek` a moment; `onListed` is told that rows came.
export function makeTable({ onPick, onSeek, onListed }) {
  const table = find('.rv-table');
  const [flagged, missed] = [find('.rv-flagged'), find('.rv-misses')];
  const { rowFor, knows, keep } = makeRows({ onSeek });
  const head = missHead();
  let complete = () => {}; // lists the rows that are not there yet
  let pointed = null; // the row where Tab stops

  // `numbers` by id, where there is one; `all` are those that may be listed another time.
  function show(standing, near, { all, numbers, fits }) {
    const row = (m) => rowFor(m, numbers.get(m.id) ?? '·', !fits(m));
    function list(most) {
      lay(flagged, standing.slice(0, most).map(row));
      const nearest = near.slice(0, Math.max(0, most - standing.length)).map(row);
      lay(missed, nearest.length ? [head, ...nearest] : []);
      onListed();
    }
    const finish = () => grow(Infinity);
    function grow(most) {
      list(most);
      complete = most < standing.length + near.length ? finish : () => {};
      requestAnimationFrame(() => setTimeout(() => complete === finish && grow(most + SCREENFUL))); // once these are painted
    }
    keep(all);
    grow([...standing, ...near].filter((m) => !knows(m)).length > SCREENFUL ? SCREENFUL : Infinity);
  }

  const inTable = (id) => table.querySelector('tr[data-id="' + CSS.escape(id) + '"]');
  function rowOf(id) {
    if (!id) return null;
    if (!inTable(id)) complete();
    return inTable(id);
  }

  // Marks the row of the selected one, and lets Tab stop there, or else at the first.
  function point() {
    if (pointed) pointed.tabIndex = -1;
    pointed?.removeAttribute('aria-current');
    const current = rowOf(state.segment?.id);
    current?.setAttribute('aria-current', 'true');
    pointed = current ?? table.querySelector('tr[data-id]');
    if (pointed) pointed.tabIndex = 0;
    return current;
  }

  // Scrolls the box of the table, only as far as it must, and never the page.
  function reveal(row) {
    const box = table.parentElement;
    const low = row.offsetTop + row.offsetHeight - box.clientHeight;
    box.scrollTop = clamp(box.scrollTop, low, row.offsetTop - table.tHead.offsetHeight);
  }

  const pick = (target) => {
    const row = target.closest('tr[data-id]');
    if (row) onPick(row.dataset.id);
  };
  table.addEventListener('click', (event) => pick(event.target));
  table.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') pick(event.target);
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
    complete();
    const rows = [...table.querySelectorAll('tr[data-id]')];
    rows[rows.indexOf(event.target.closest('tr')) + (event.key === 'ArrowDown' ? 1 : -1)]?.focus();
    event.preventDefault();
  });

  return { show, rowOf, point, reveal };
}
