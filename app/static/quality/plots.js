// The plots of one quality panel, as SVG in the page's colours. Every number in them stands in the table as well.
import { make, svg } from '../lib/dom.js';
import { plural } from '../lib/format.js';
import { decades, flaggedWithin, histogram } from './rows.js';

const [WIDTH, HEIGHT] = [360, 220];
const LEAST_ALARMS = 0.01; // an hour: what a logarithmic axis begins with
const shared = (share) => Math.round(100 * share) + ' %';
const told = (value) => String(Number(value.toPrecision(3)));

export function plotsOf(panel) {
  const box = make('div', 'rv-q-plots');
  for (const draw of [ranking, within, alarms, operating, latency, calibration, classes]) box.append(draw(panel));
  return box;
}

function figure(title, content, label = '') {
  const made = make('figure');
  made.append(make('figcaption', '', title));
  if (!content) made.append(make('p', 'rv-q-nothing', 'not measured'));
  else made.append(content);
  if (content && label) {
    content.setAttribute('role', 'img');
    content.setAttribute('aria-label', label);
  }
  return made;
}

// A frame with two axes. `x` and `y` are { ticks, name, of }: `of` puts a value into [0, 1] along the axis.
function frame({ x, y, left = 44 }) {
  const drawing = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: 'rv-q-plot' });
  const [top, right, bottom] = [8, WIDTH - 18, HEIGHT - 38];
  const across = (value) => left + (right - left) * x.of(value);
  const up = (value) => bottom - (bottom - top) * y.of(value);
  const text = (content, attributes) => {
    const made = svg('text', attributes);
    made.textContent = content;
    drawing.append(made);
  };
  for (const [value, word = told(value)] of x.ticks) {
    drawing.append(svg('path', { d: `M${across(value)} ${top}V${bottom}`, class: 'rv-q-grid' }));
    text(word, { x: across(value), y: bottom + 15, 'text-anchor': 'middle' });
  }
  for (const [value, word = told(value)] of y.ticks) {
    drawing.append(svg('path', { d: `M${left} ${up(value)}H${right}`, class: 'rv-q-grid' }));
    text(word, { x: left - 6, y: up(value) + 4, 'text-anchor': 'end' });
  }
  text(x.name, { x: (left + right) / 2, y: HEIGHT - 6, 'text-anchor': 'middle', class: 'rv-q-axis' });
  const put = (name, attributes) => drawing.append(svg(name, attributes));
  return {
    drawing,
    text,
    line: (points, className) =>
      put('path', { d: 'M' + points.map(([a, b]) => `${across(a)} ${up(b)}`).join('L'), class: className }),
    dot: (a, b, className) => put('circle', { cx: across(a), cy: up(b), r: 4, class: className }),
    bar: (from, to, low, high, className) =>
      put('rect', {
        x: across(from),
        y: up(high),
        width: across(to) - across(from),
        height: up(low) - up(high),
        class: className,
      }),
    at: (a, b) => [across(a), up(b)],
  };
}

const linear = (low, high) => (value) => (value - low) / (high - low);
const logarithmic = (low, high) => (value) => Math.log(Math.max(value, low) / low) / Math.log(high / low);
const UNIT = [[0], [0.25], [0.5], [0.75], [1]];
const SHARES = [0, 0.25, 0.5, 0.75, 1].map((share) => [share, shared(share)]);

// Rows of one number each, with its interval.
function rowsOf(rows, x, left) {
  const y = { ticks: rows.map(({ name }, i) => [i, name]), of: (i) => 1 - (i + 0.5) / rows.length };
  return frame({ x, y, left });
}

function ranking({ pooled, within: inside, constant, video_label }) {
  const rows = [
    { name: 'pooled', value: pooled?.auc, className: 'rv-q-fill' },
    { name: 'within videos', value: inside, className: 'rv-q-fill2' },
    { name: 'constant', value: constant?.auc, className: 'rv-q-fill3' },
    { name: 'labels only', value: video_label?.auc, className: 'rv-q-fill3' },
  ].filter(({ value }) => value);
  if (!rows.length) return figure('AUC: all videos, and moments within them', null);
  const plot = rowsOf(rows, { ticks: UNIT, name: 'AUC; dashed: chance', of: linear(0, 1) }, 92);
  for (const [i, { value, className }] of rows.entries()) {
    plot.bar(0, value[0], i + 0.3, i - 0.3, className);
    if (value[1] !== null) plot.line([[value[1], i], [value[2], i]], 'rv-q-range'); // prettier-ignore
  }
  plot.line([[0.5, -0.5], [0.5, rows.length - 0.5]], 'rv-q-chance'); // prettier-ignore
  const label = rows.map(({ name, value }) => name + ' ' + value[0].toFixed(3)).join(', ');
  return figure('AUC: all videos, and moments within them', plot.drawing, label);
}

function within({ within_aucs: aucs }) {
  if (!aucs.length) return figure('AUC of each video', null);
  const bins = histogram(aucs, 20);
  const most = Math.max(...bins);
  const y = { ticks: [[0], [most]], of: linear(0, most) };
  const plot = frame({ x: { ticks: UNIT, name: 'AUC of one video; dashed: chance', of: linear(0, 1) }, y });
  for (const [i, count] of bins.entries()) if (count) plot.bar(i / 20, (i + 1) / 20, 0, count, 'rv-q-fill2');
  plot.line([[0.5, 0], [0.5, most]], 'rv-q-chance'); // prettier-ignore
  const below = aucs.filter((auc) => auc < 0.5).length;
  return figure('AUC of each video', plot.drawing, `below chance: ${below} of ${plural(aucs.length, 'video')}`);
}

function hourly(values) {
  const ticks = decades(LEAST_ALARMS, Math.max(1, ...values));
  return { ticks: ticks.map((value) => [value]), of: logarithmic(ticks[0], ticks[ticks.length - 1]) };
}

const lengthOf = (hours) => (hours < 0.1 ? (60 * hours).toFixed(1) + ' min' : hours.toFixed(1) + ' h');

function alarms({ alarms: kinds }) {
  const title = 'False alarms an hour of normal footage';
  if (!kinds.length) return figure(title, null);
  const rows = kinds.map((one) => ({ name: `${one.kind}, ${lengthOf(one.hours)}`, value: one.poisson }));
  const x = { ...hourly(rows.map(({ value }) => value[2])), name: 'an hour, with the interval of Poisson’s law' };
  const plot = rowsOf(rows, x, 92);
  for (const [i, { value }] of rows.entries()) {
    plot.line([[value[1], i], [value[2], i]], 'rv-q-line'); // prettier-ignore
    plot.dot(value[0], i, 'rv-q-dot');
  }
  return figure(title, plot.drawing, rows.map(({ name, value }) => name + ': ' + told(value[0])).join('; '));
}

function operating({ curve, threshold }) {
  const title = 'Events found, for so many false alarms';
  const points = (curve?.thresholds ?? [])
    .map((at, i) => ({ at, x: curve.alarms_per_hour[i], y: curve.recall[i] }))
    .filter(({ x, y }) => x !== null && y !== null);
  if (!points.length) return figure(title, null);
  const x = { ...hourly(points.map((p) => p.x)), name: 'false alarms an hour' };
  const plot = frame({ x, y: { ticks: SHARES, of: linear(0, 1) } });
  plot.line(points.map((p) => [p.x, p.y]), 'rv-q-line'); // prettier-ignore
  const near = points.reduce((a, b) => (Math.abs(b.at - threshold) < Math.abs(a.at - threshold) ? b : a));
  plot.dot(near.x, near.y, 'rv-q-dot');
  const [left, top] = plot.at(near.x, near.y);
  plot.text(told(near.at), { x: left + 7, y: top + 14 });
  return figure(title, plot.drawing, `at ${told(near.at)}: ${shared(near.y)} for ${told(near.x)} an hour`);
}

function latency({ events }) {
  const title = 'From an event’s start to its first flag';
  if (!events?.n_events) return figure(title, null);
  const end = Math.min(60, Math.max(10, ...events.latencies_s));
  const x = { ticks: [0, 0.25, 0.5, 0.75, 1].map((part) => [part * end]), name: 'seconds', of: linear(0, end) };
  const plot = frame({ x, y: { ticks: SHARES, of: linear(0, 1) } });
  plot.line(flaggedWithin(events.latencies_s, events.n_events, end), 'rv-q-line3');
  return figure(title, plot.drawing, `${events.n_found} of ${events.n_events} events are flagged at all`);
}

function calibration({ calibration: found }) {
  const title = 'Is .8 right 8 times in 10?';
  if (!found) return figure(title, null);
  const bins = found.bins.filter((bin) => bin.seconds > 0);
  const x = { ticks: UNIT, name: 'score; dashed: as a probability should be', of: linear(0, 1) };
  const plot = frame({ x, y: { ticks: SHARES, of: linear(0, 1) } });
  plot.line([[0, 0], [1, 1]], 'rv-q-chance'); // prettier-ignore
  plot.line(bins.map((bin) => [bin.score, bin.anomalous[0]]), 'rv-q-line2'); // prettier-ignore
  for (const { score, anomalous } of bins) {
    if (anomalous[1] !== null) plot.line([[score, anomalous[1]], [score, anomalous[2]]], 'rv-q-range2'); // prettier-ignore
    plot.dot(score, anomalous[0], 'rv-q-dot2');
  }
  const label = bins.map((bin) => `score ${bin.score.toFixed(2)}: ${shared(bin.anomalous[0])} anomalous`).join('; ');
  return figure(title, plot.drawing, label);
}

function classes({ confusion }) {
  const title = 'What events were called';
  if (!confusion) return figure(title, null);
  const box = make('div', 'rv-q-scroll');
  box.tabIndex = 0;
  box.setAttribute('role', 'region');
  box.setAttribute('aria-label', title);
  const table = make('table', 'rv-q-matrix');
  const cell = (tag, text, scope) => {
    const made = make(tag, '', text);
    if (scope) made.scope = scope;
    return made;
  };
  const head = make('tr');
  head.append(cell('td', ''), ...confusion.columns.map((name) => cell('th', name, 'col')));
  table.append(head);
  for (const [i, name] of confusion.rows.entries()) {
    const row = make('tr');
    const total = confusion.counts[i].reduce((a, b) => a + b, 0);
    row.append(cell('th', name, 'row'));
    for (const [k, count] of confusion.counts[i].entries()) {
      const held = cell('td', String(count));
      held.classList.toggle('rv-q-right', confusion.columns[k] === name);
      held.style.setProperty('--share', total ? String(count / total) : '0');
      row.append(held);
    }
    table.append(row);
  }
  box.append(table);
  const made = figure(title, box);
  made.classList.add('rv-q-wide');
  return made;
}
