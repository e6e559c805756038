// The list of clips: one row each, kept while nothing of it changes, so that hundreds stay quick.
import { button, find, make } from '../lib/dom.js';
import { clock } from '../lib/format.js';
import { state } from '../state.js';
import { stateOf } from './sort.js';
import { lostOf, wordsOfEntry } from './words.js';

export function makeList({ onOpen, onAnalyse, onCancel, onRemove }) {
  const list = find('.rv-shelf');
  const rows = new Map(); // by analysis, or by clip where there is none: {row, told}

  function when(iso) {
    const date = new Date(iso);
    const today = date.toDateString() === new Date().toDateString();
    return today
      ? date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
      : date.toLocaleDateString([], { day: 'numeric', month: 'short' });
  }

  function draw(row, entry, current) {
    const where = stateOf(entry);
    const [score, text, share] = wordsOfEntry(entry, where);
    const [, lost] = lostOf(entry);
    row.className = 'rv-item rv-is-' + where;
    row.classList.toggle('rv-partly', lost !== '');
    const opener = button('', 'rv-entry', () =>
      onOpen(entry.analysis_id ? { analysis_id: entry.analysis_id } : { clip: entry.clip }),
    );
    const facts = make('span', 'rv-entryfacts');
    facts.append(
      make('span', '', clock(entry.duration_s, 0)),
      make('span', 'rv-standing', score),
      make('time', '', when(entry.added)),
    );
    opener.append(make('span', 'rv-name', entry.name), facts);
    if (text) opener.append(make('span', 'rv-what', text));
    if (where === 'analysing') {
      const bar = make('span', share === null ? 'rv-bar1 rv-unknown' : 'rv-bar1');
      bar.append(make('i', 'rv-bit'));
      if (share !== null) bar.firstChild.style.width = 100 * share + '%';
      opener.append(bar);
    }
    opener.title = [entry.name, entry.model_id, where === 'failed' ? text : '', lost].filter(Boolean).join(' · ');
    if (current) opener.setAttribute('aria-current', 'true');
    const acts = [];
    if (where === 'analysing' || where === 'waiting')
      acts.push(button('Cancel', 'rv-link', () => onCancel(entry), 'Cancel the analysis of ' + entry.name));
    if (where === 'unseen' || where === 'failed') {
      const verb = where === 'failed' ? 'Try again' : 'Analyse';
      acts.push(button(verb, 'rv-link', () => onAnalyse(entry), verb + ': ' + entry.name));
    }
    acts.push(button('×', 'rv-away', () => onRemove(entry), 'Remove ' + entry.name));
    const held = row.contains(document.activeElement) ? document.activeElement.className : null;
    row.replaceChildren(opener, ...acts);
    if (held) (row.querySelector('.' + held.replace(/ /g, '.')) ?? opener).focus();
  }

  // `isOpen` tells the entry that is on screen.
  function show(entries, isOpen) {
    const wanted = entries.map((entry) => {
      const key = entry.analysis_id ?? entry.clip;
      const current = isOpen(entry);
      const told = JSON.stringify([entry, current, new Date().toDateString()]);
      let kept = rows.get(key);
      if (!kept) rows.set(key, (kept = { row: make('li') }));
      if (kept.told !== told) draw(kept.row, entry, current);
      kept.told = told;
      return kept.row;
    });
    const shown = new Set(wanted);
    for (const [key, { row }] of rows) if (!shown.has(row)) rows.delete(key);
    const same = wanted.length === list.children.length && wanted.every((row, i) => row === list.children[i]);
    if (same) return;
    const held = document.activeElement;
    const place = [...list.children].findIndex((row) => row.contains(held));
    list.replaceChildren(...wanted);
    if (place < 0) return;
    if (held.isConnected) held.focus({ preventScroll: true });
    else if (state.clip)
      find('.rv-hit').focus({ preventScroll: true }); // Space plays, and opens nothing
    else (list.children[place] ?? list.lastElementChild)?.querySelector('.rv-entry').focus();
  }

  list.addEventListener('keydown', (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const buttons = [...list.querySelectorAll('.rv-entry')];
    const here = buttons.indexOf(event.target.closest('li').querySelector('.rv-entry'));
    buttons[here + step]?.focus();
    event.preventDefault();
  });
  return { show };
}
