// @ts-check
// What the map of snippets looks like: marks by class, score, truth or decision, as Plotly's traces. No DOM.
import { clock } from '../lib/format.js';

/**
 * The server's map: for each point its clip (an index), moment, class and score, and where it lies on each panel.
 * @typedef {{ clip: number[], time_s: number[], class: number[], score: number[], classes: string[],
 *   clips: { analysis_id: string, snippet_s: number, name: string, trained: boolean }[], note: string,
 *   raw: { x: number[], y: number[], note: string, how: string }, fused?: { x: number[], y: number[], note: string } }} Points
 * @typedef {{ start_s: number, end_s: number, state?: string }} Span
 * @typedef {[kind: any, words: string, hue: string, shape: number]} Key
 * @typedef {{ kinds: any[], key: Key[] }} Kinds `kinds` of each point; `key` explains those that occur
 * @typedef {(name: string) => string} Colour the page's colour of that name
 */

/** @type {('raw' | 'fused')[]} */
const MAP_PANELS = ['raw', 'fused'];
// Of class 0, 1, ...: Plotly's name, and the sign in the key.
export const MAP_SHAPES = (
  'circle-open ○, triangle-up ▲, square ■, diamond ◆, triangle-down ▼, x ✖, cross ✚, star ★, triangle-left ◀, ' +
  'triangle-right ▶, pentagon ⬟, hexagon ⬢, circle ●, diamond-tall ⬧'
)
  .split(', ')
  .map((shape) => shape.split(' '));
const MAP_HUES = 7; // --rv-kind1 ... --rv-kind7
const MAP_TITLE_PX = 20;
const MAP_TITLES = { raw: 'Pictures, before the model', fused: 'Fused, after CMHKF' };
const MAP_STATES = {
  open: { words: 'not decided', shape: 0, hue: 'axis' },
  confirmed: { words: 'confirmed', shape: 1, hue: 'flag' },
  dismissed: { words: 'dismissed', shape: 5, hue: 'kind1' },
  outside: { words: 'no segment', shape: 0, hue: 'grid-strong' },
};

/** @param {Span[]} spans @param {number} time */
const inSpan = (spans, time) => spans.find((span) => time >= span.start_s && time < span.end_s);

/** @param {Points} points */
export const panelsOf = (points) => MAP_PANELS.filter((name) => points[name]);

/**
 * What each point is, for one way of colouring.
 * @param {Points} points @param {string} colouring @param {{ truth: Span[], marks: Span[], mine: boolean[] }} page `mine`:
 *   points of the clip on screen
 * @returns {Kinds}
 */
export function mapKinds(points, colouring, { truth, marks, mine }) {
  if (colouring === 'class') {
    const kinds = points.class;
    const hue = (/** @type {number} */ c) => (c ? 'kind' + (1 + ((c - 1) % MAP_HUES)) : 'axis');
    const shape = (/** @type {number} */ c) => (c < MAP_SHAPES.length ? c : 1 + ((c - 1) % (MAP_SHAPES.length - 1)));
    /** @type {Key[]} */
    const key = points.classes.map((name, c) => [c, name, hue(c), shape(c)]);
    return { kinds, key: key.filter(([c]) => kinds.includes(c)) };
  }
  if (colouring === 'truth') {
    const kinds = points.time_s.map((time, i) => (!mine[i] ? -1 : inSpan(truth, time) ? 1 : 0));
    /** @type {Key[]} */
    const key = [
      [0, 'normal', 'axis', 0],
      [1, 'anomalous by ground truth', 'flag', 1],
      [-1, 'another clip', 'grid-strong', 0],
    ];
    return { kinds, key: key.filter(([kind]) => kinds.includes(kind)) };
  }
  const kinds = points.time_s.map((time, i) => (!mine[i] ? 'outside' : (inSpan(marks, time)?.state ?? 'outside')));
  /** @type {Key[]} */
  const key = Object.entries(MAP_STATES).map(([kind, look]) => [kind, look.words, look.hue, look.shape]);
  return { kinds, key: key.filter(([kind]) => kinds.includes(kind)) };
}

/** @param {Points} points @param {number[]} shown @param {Kinds | null} kinds @param {Colour} colour */
function mapMarker(points, shown, kinds, colour) {
  if (!kinds) {
    const scores = shown.map((i) => points.score[i]);
    const size = scores.map((score) => 5 + 4 * score); // colour is never alone
    const line = { width: 0.6, color: colour('axis') };
    const scale = [0, 1 / 3, 2 / 3, 1].map((stop, i) => [stop, colour('heat' + i)]);
    return { color: scores, colorscale: scale, cmin: 0, cmax: 1, size, line };
  }
  const looks = new Map(kinds.key.map(([kind, , hue, shape]) => [kind, [colour(hue), MAP_SHAPES[shape][0]]]));
  const of = shown.map((i) => looks.get(kinds.kinds[i]) ?? ['', '']);
  return { color: of.map((look) => look[0]), symbol: of.map((look) => look[1]), size: 7, line: { width: 1 } };
}

/**
 * One panel for each kind of embedding.
 * @param {Points} points @param {number[]} shown the points in view
 * @param {{ kinds: Kinds | null, chosen: number[] | null, colour: Colour, width: number, height: number }} look `kinds`
 *   null: by score; `chosen`: places among `shown`
 */
export function mapPlot(points, shown, { kinds, chosen, colour, width, height }) {
  const names = panelsOf(points);
  const stacked = height > width; // panels as square as the room allows
  const gap = stacked ? MAP_TITLE_PX / (height - MAP_TITLE_PX) : 0.02;
  const marker = mapMarker(points, shown, kinds, colour);
  const axis = {
    showgrid: false, zeroline: false, showticklabels: false, ticks: '', fixedrange: true, mirror: true, showline: true,
    linecolor: colour('line'),
  }; // prettier-ignore
  /** @type {any} */
  const layout = {
    width, height, dragmode: 'lasso', hovermode: 'closest', hoverdistance: 12, showlegend: false,
    margin: { l: 1, r: 1, t: MAP_TITLE_PX, b: 1, pad: 0 },
    paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)',
    font: { color: colour('dim'), size: 11, family: 'system-ui, sans-serif' },
    newselection: { line: { color: colour('accent'), width: 1.5, dash: 'dot' } },
    annotations: [],
  }; // prettier-ignore
  const data = names.map((name, panel) => {
    const nth = panel ? '2' : '';
    const part = panel ? [0.5 + gap / 2, 1] : [0, names.length > 1 ? 0.5 - gap / 2 : 1];
    const [x, y] = stacked ? [[0, 1], [1 - part[1], 1 - part[0]]] : [part, [0, 1]]; // prettier-ignore
    layout['xaxis' + nth] = { ...axis, domain: x, anchor: 'y' + nth };
    layout['yaxis' + nth] = { ...axis, domain: y, anchor: 'x' + nth };
    layout.annotations.push({
      text: MAP_TITLES[name], x: x[0], y: y[1], xref: 'paper', yref: 'paper', xanchor: 'left', yanchor: 'bottom',
      showarrow: false,
    }); // prettier-ignore
    const set = /** @type {Points['raw']} */ (points[name]);
    return {
      type: 'scatter', mode: 'markers', hoverinfo: 'none', marker, xaxis: 'x' + nth, yaxis: 'y' + nth,
      x: shown.map((i) => set.x[i]), y: shown.map((i) => set.y[i]),
      selectedpoints: chosen ?? undefined, selected: { marker: { opacity: 1 } },
      unselected: { marker: { opacity: 0.14 } },
    }; // prettier-ignore
  });
  return { data, layout };
}

/**
 * Points that follow one another in a clip, as runs; `from` and `to` in seconds.
 * @param {Points} points @param {number[]} chosen
 */
export function mapRuns(points, chosen) {
  /** @type {{ clip: number, from: number, to: number, points: number[] }[]} */
  const runs = [];
  for (const i of [...chosen].sort((a, b) => a - b)) {
    const { snippet_s } = points.clips[points.clip[i]];
    const [from, to] = [points.time_s[i] - snippet_s / 2, points.time_s[i] + snippet_s / 2];
    const last = runs.at(-1);
    if (last && last.clip === points.clip[i] && last.points.at(-1) === i - 1) {
      last.to = to;
      last.points.push(i);
    } else runs.push({ clip: points.clip[i], from, to, points: [i] });
  }
  return runs;
}

/** What stands under the map. @param {Points} points @param {string} where "" or a sentence about what is shown */
export function mapNote(points, where) {
  const said = [points.note.split('; ').map((text) => text && text[0].toUpperCase() + text.slice(1) + '.').join(' ')]; // prettier-ignore
  for (const name of panelsOf(points)) if (points[name]?.note) said.push(points[name]?.note + '.');
  said.push(where, points.raw.how + '; only nearness means something.');
  return said.filter(Boolean).join(' ');
}

/** A point in words. @param {Points} points @param {number} i @param {boolean} mine */
export function pointWords(points, i, mine) {
  const clip = points.clips[points.clip[i]];
  const score = (clip.trained ? 'score ' : 'untrained score ') + points.score[i].toFixed(2);
  const text = [clock(points.time_s[i], 1), points.classes[points.class[i]], score];
  return (mine ? text : [clip.name, ...text]).join(' · ');
}
