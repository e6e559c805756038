// Small charts of the panels beside the video: bars of two means, and curves over a stretch of the clip.
import { make, svg } from '../lib/dom.js';
import { clamp, clock } from '../lib/format.js';

export function section(title, hint) {
  const made = make('section', 'rv-part');
  made.append(make('h3', '', title));
  if (hint) made.append(make('p', 'rv-hint', hint));
  return made;
}

// The mean of something inside a segment over its mean in the rest of the clip, from a common zero.
function contrastRow({ name, inside, rest }, [low, high]) {
  const [from, to] = [Math.min(0, low), Math.max(high, 1e-6)];
  const share = (value) => (100 * (value - from)) / (to - from);
  const bar = (className, value) => {
    const made = make('i', className);
    made.style.left = share(Math.min(0, value)) + '%';
    made.style.width = share(Math.max(0, value)) - share(Math.min(0, value)) + '%';
    return made;
  };
  const row = make('div', 'rv-contrast');
  const bars = make('span', 'rv-bars');
  bars.setAttribute('aria-hidden', 'true');
  bars.append(bar('rv-inside', inside));
  if (rest !== null) bars.append(bar('rv-rest', rest));
  const digits = Math.max(Math.abs(low), Math.abs(high)) < 0.15 ? 3 : 2; // some cues are small
  const numbers = make('span', 'rv-two');
  numbers.append(make('b', '', inside.toFixed(digits)), make('span', '', rest === null ? '–' : rest.toFixed(digits)));
  row.append(make('span', 'rv-what', name), bars, numbers);
  return row;
}

export function contrastRows(list, scaleOf) {
  const box = make('div');
  box.append(...list.map((entry) => contrastRow(entry, scaleOf(entry))));
  return box;
}

export function contrastKey() {
  const key = make('p', 'rv-key');
  key.append(make('i', 'rv-inside'), 'mean inside', make('i', 'rv-rest'), 'in the rest of the clip');
  return key;
}

// Step curves over [from_s, to_s]; a click is a seek. `move(time)` places the cursor, `mark` shades a stretch.
export function makeCurve({ lines, from_s, to_s, step_s, low, high, mark, label, onSeek, now }) {
  const span = to_s - from_s;
  const box = make('div', 'rv-curve');
  box.setAttribute('role', 'img');
  box.setAttribute('aria-label', label);
  const drawing = svg('svg', { viewBox: '0 0 1000 100', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
  const x = (time) => ((1000 * (time - from_s)) / span).toFixed(1);
  const y = (value) => (98 - 96 * clamp((value - low) / (high - low || 1), 0, 1)).toFixed(1);
  if (mark) {
    const width = Math.max(0, (1000 * (mark[1] - mark[0])) / span);
    drawing.append(svg('rect', { x: x(mark[0]), y: 0, width, height: 100 }));
  }
  for (const { values, className, level } of lines) {
    if (level !== undefined) {
      drawing.append(svg('path', { d: 'M0 ' + y(level) + 'H1000', class: className }));
      continue;
    }
    const steps = values.map((v, i) => 'V' + y(v) + 'H' + x(Math.min(to_s, from_s + (i + 1) * step_s)));
    drawing.append(svg('path', { d: 'M0 ' + y(values[0]) + steps.join(''), class: className }));
  }
  const cursor = make('i', 'rv-here');
  box.append(drawing, cursor);
  box.addEventListener('click', (event) => {
    const area = box.getBoundingClientRect();
    onSeek(from_s + clamp((event.clientX - area.left) / area.width, 0, 1) * span);
  });
  const move = (time) => {
    cursor.hidden = time < from_s || time > to_s;
    cursor.style.left = (100 * (time - from_s)) / span + '%';
  };
  move(now());
  return { box, move };
}

export function axisRow(from_s, to_s) {
  const made = make('p', 'rv-axis');
  made.append(make('span', '', clock(from_s, 1)), make('span', '', clock(to_s, 1)));
  return made;
}
