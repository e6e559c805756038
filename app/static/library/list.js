// The list of clips: a row each, with its keyframe. Only those in view are drawn, so that thousands stay quick.
import { button, find, make } from '../lib/dom.js';
import { clamp, clock } from '../lib/format.js';
import { address } from '../lib/host.js';
import { request } from '../lib/server.js';
import { makeStrips } from '../lib/strips.js';
import { makeVirtual } from '../lib/virtual.js';
import { state } from '../state.js';
import { stateOf } from './sort.js';
import { lostOf, wordsOfEntry } from './words.js';

const ROW_PX = 76;
const END_LETTERS = 12; // as in 22-05-00.mp4

const keyOf = (entry) => entry.analysis_id ?? entry.clip;

// An analysis is shown at its highest score, a clip without one near its beginning.
const askKeyframes = (entries) =>
  request('keyframes', {
    analyses: entries.filter((entry) => entry.analysis_id).map(keyOf),
    clips: entries.filter((entry) => !entry.analysis_id).map(keyOf),
  });

function when(iso) {
  const date = new Date(iso);
  const today = date.toDateString() === new Date().toDateString();
  return today
    ? date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
    : date.toLocaleDateString([], { day: 'numeric', month: 'short' });
}

// Files of one camera differ at the end of their names, in the time: what is cut off is the middle.
function nameOf({ name }) {
  const made = make('span', 'rv-name rv-midcut');
  const letters = [...name];
  const end = letters.splice(-END_LETTERS);
  made.append(make('span', '', letters.join('')), make('span', '', end.join('')));
  return made;
}

function wordsOf(entry, where) {
  const [score, text, share] = wordsOfEntry(entry, where);
  const words = make('span', 'rv-entrywords');
  const facts = make('span', 'rv-entryfacts');
  facts.append(
    make('span', '', clock(entry.duration_s, 0)),
    make('span', 'rv-standing', score),
    make('time', '', when(entry.added)),
  );
  words.append(nameOf(entry), facts);
  if (text) words.append(make('span', 'rv-what', text));
  if (where === 'analysing') {
    const bar = make('span', share === null ? 'rv-bar1 rv-unknown' : 'rv-bar1');
    bar.append(make('i', 'rv-bit'));
    if (share !== null) bar.firstChild.style.width = 100 * share + '%';
    words.append(bar);
  }
  return words;
}

export function makeList({ onOpen, onAnalyse, onCancel, onRemove }) {
  const scroll = find('.rv-shelf');
  const list = scroll.firstElementChild;
  list.style.setProperty('--row', ROW_PX + 'px');
  let entries = [];
  let isOpen = () => false; // the entry that is on screen

  const indexOf = (key) => entries.findIndex((entry) => keyOf(entry) === key);
  const focused = () => list.querySelector('li:focus-within');
  const isShown = () => scroll.clientHeight > 0; // the drawer may be closed
  const virtual = makeVirtual({
    scroll,
    space: list,
    measured: () => ({ columns: 1, columnPx: 0, rowPx: ROW_PX, gapPx: 0 }),
    total: () => entries.length,
    at: (index) => entries[index],
    keyOf,
    make: (key) => ({ node: Object.assign(make('li'), { key }), thumb: make('span', 'rv-thumb'), told: '' }),
    show: showRow,
    held: () => indexOf(focused()?.key),
    isShown,
    onDrawn: () => keyframes.want(),
  });
  const keyframes = makeStrips({
    keyOf,
    inView() {
      const [from, to] = virtual.range(0);
      return entries.slice(from, to + 1);
    },
    ask: askKeyframes,
    onStrips: () => virtual.shown().forEach(showKeyframe),
    isShown,
  });

  function showKeyframe({ node, thumb }) {
    const url = keyframes.of(node.key)?.url;
    if (!url || thumb.firstChild) return;
    thumb.append(Object.assign(make('img'), { alt: '', draggable: false, src: address(url) })); // its name is beside it
  }

  function showRow(row, entry, index) {
    const current = isOpen(entry);
    const told = JSON.stringify([entry, current, new Date().toDateString()]);
    if (row.told !== told) draw(row, entry, current);
    row.told = told;
    row.node.ariaPosInSet = index + 1;
    row.node.ariaSetSize = entries.length;
    showKeyframe(row);
  }

  function draw({ node, thumb }, entry, current) {
    const where = stateOf(entry);
    const [, lost] = lostOf(entry);
    node.className = 'rv-item rv-is-' + where;
    node.classList.toggle('rv-partly', lost !== '');
    const opener = button('', 'rv-entry', () =>
      onOpen(entry.analysis_id ? { analysis_id: entry.analysis_id } : { clip: entry.clip }),
    );
    opener.append(thumb, wordsOf(entry, where));
    const why = where === 'failed' ? wordsOfEntry(entry, where)[1] : '';
    opener.title = [entry.name, entry.model_id, why, lost].filter(Boolean).join(' · ');
    if (current) opener.setAttribute('aria-current', 'true');
    const acts = [];
    if (where === 'analysing' || where === 'waiting')
      acts.push(button('Cancel', 'rv-link', () => onCancel(entry), 'Cancel the analysis of ' + entry.name));
    if (where === 'unseen' || where === 'failed') {
      const verb = where === 'failed' ? 'Try again' : 'Analyse';
      acts.push(button(verb, 'rv-link', () => onAnalyse(entry), verb + ': ' + entry.name));
    }
    acts.push(button('×', 'rv-away', () => onRemove(entry), 'Remove ' + entry.name));
    const held = node.contains(document.activeElement) ? document.activeElement.className : null;
    node.replaceChildren(opener, ...acts);
    if (held) (node.querySelector('.' + held.replace(/ /g, '.')) ?? opener).focus();
  }

  function go(index) {
    index = clamp(index, 0, entries.length - 1);
    virtual.reveal(index);
    virtual.draw();
    virtual.nodeAt(index)?.querySelector('.rv-entry').focus({ preventScroll: true });
  }

  // What is at the top of the view stays there when clips come and go above it.
  function show(wanted, isOpenNow) {
    const held = focused();
    const top = Math.floor(scroll.scrollTop / ROW_PX);
    const first = top && entries[top];
    entries = wanted;
    isOpen = isOpenNow;
    const now = first ? indexOf(keyOf(first)) : -1;
    virtual.draw();
    if (now >= 0 && now !== top) scroll.scrollTop += (now - top) * ROW_PX;
    if (!held || held.isConnected) return;
    if (state.clip)
      find('.rv-hit').focus({ preventScroll: true }); // Space plays, and opens nothing
    else go(Number(held.dataset.index));
  }

  list.addEventListener('keydown', (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    go(Number(event.target.closest('li').dataset.index) + step);
    event.preventDefault();
  });

  return {
    show,
    toTop() {
      scroll.scrollTop = 0;
    },
  };
}
