// The tab "Classes": names that the user types, compared with the clip at once from its cached features.
import { button, find, handOver, make, sayIn } from '../lib/dom.js';
import { wordsOf } from '../lib/faults.js';
import { clock } from '../lib/format.js';
import { keepAddress } from '../lib/router.js';
import { request } from '../lib/server.js';
import { isShown } from '../lib/tabs.js';
import { listen, state } from '../state.js';
import { axisRow, makeCurve } from './charts.js';

const split = (text) => text.split(/[,;\n]/).map((name) => name.trim().replace(/\s+/g, ' ')).filter(Boolean); // prettier-ignore

export function makeClasses({ onSeek, now }) {
  const form = find('.rv-own');
  const input = form.elements.names;
  const said = find('.rv-own-said');
  const list = find('.rv-own-list');
  let analysis = null;
  let duration = 0;
  let compared = ''; // analysis and names on screen
  let curves = [];

  const names = () => split(input.value);
  const joined = (some) => some.join(', ');

  function clear() {
    curves = [];
    compared = '';
    list.replaceChildren();
    sayIn(said, '');
  }

  async function compare(again = false) {
    keepAddress(); // a link restores them
    const wanted = analysis + '\n' + input.value;
    if (!analysis || (wanted === compared && !again)) return;
    clear();
    if (!input.value.trim() && !again) return;
    compared = wanted;
    said.textContent = 'Comparing…';
    try {
      const answer = await request('compare', { analysis_id: analysis, text: input.value });
      if (compared === wanted) draw(answer);
    } catch (error) {
      if (compared !== wanted) return;
      sayIn(said, wordsOf(error), true);
    }
  }

  function draw({ classes, duration_s, step_s, weak }) {
    duration = duration_s;
    const low = Math.min(...classes.map((c) => Math.min(...c.curve)));
    const high = Math.max(...classes.map((c) => c.peak));
    said.textContent =
      'Cosine of picture and text, ' +
      low.toFixed(2) +
      ' to ' +
      high.toFixed(2) +
      ' on one scale; dotted: mean. A similarity, not a probability' +
      (weak ? '; from the demo encoders, a weak hint only.' : ': even what is not there has a peak.');
    curves = [];
    list.replaceChildren(...classes.map((own) => row(own, { low, high, step_s })), axisRow(0, duration));
  }

  function row(own, { low, high, step_s }) {
    const made = make('div', 'rv-ownclass');
    const top = make('div', 'rv-owntop');
    const words = 'peak ' + own.peak.toFixed(2) + ' at ' + clock(own.peak_s, 1);
    const peak = button(words, 'rv-btn rv-small', () => onSeek(own.peak_s));
    const remove = () => {
      handOver(list, form.querySelector('[type=submit]'));
      input.value = joined(names().filter((name) => name !== own.name));
      compare();
    };
    const off = button('×', 'rv-icon', remove, 'Remove ' + own.name);
    top.append(make('span', 'rv-what', own.name), peak, off);
    const curve = makeCurve({
      lines: [
        { level: own.mean, className: 'rv-dots' },
        { values: own.curve, className: 'rv-violet' },
      ],
      from_s: 0,
      to_s: duration,
      step_s,
      low,
      high,
      mark: state.segment && [state.segment.start_s, Math.min(state.segment.end_s, duration)],
      label: 'Similarity to ' + own.name + ' over the clip',
      onSeek,
      now,
    });
    curves.push(curve);
    made.append(top, curve.box);
    return made;
  }

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    compare(true);
  });
  input.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    compare(true);
  });
  form.querySelector('[type=reset]').addEventListener('click', (event) => {
    event.preventDefault();
    input.value = '';
    compare();
    input.focus();
  });
  input.value = joined(split(new URLSearchParams(location.search).get('words') ?? ''));

  const look = () => {
    if (isShown('classes')) compare();
  };
  listen({
    opened(facts) {
      analysis = facts.analysis_id;
      look();
    },
    closed() {
      analysis = null;
      clear();
    },
    panel: look,
    back() {
      if (said.classList.contains('rv-wrong')) compare(true);
    },
    address(query) {
      if (names().length) query.set('words', names().join(','));
    },
    moved(time) {
      if (isShown('classes')) for (const curve of curves) curve.move(time);
    },
  });
}
