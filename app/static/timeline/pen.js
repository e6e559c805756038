// Draws along the time axis of a canvas: step curves, bands, rules, words. A scene says what is in view:
// { curves, lanes, view, segments, previews, strips, width, height, left }; lengths in CSS px, `left` of the time axis.
import { clamp } from '../lib/format.js';
import { RIGHT_PX, snippetAt } from './lanes.js';

export function makePen(canvas) {
  const pen = canvas.getContext('2d');
  let scene = null;
  let ink = {};

  const x = (time) => ((time - scene.view[0]) / (scene.view[1] - scene.view[0])) * scene.width;

  // The last snippet stands for what follows it.
  const endOf = (i) =>
    i === scene.curves.scores.length - 1
      ? Math.max(scene.curves.duration_s, i * scene.curves.snippet_s)
      : (i + 1) * scene.curves.snippet_s;

  // A stepped line of the snippets [from, to), filled down to 0 or not, in columns of a pixel: each from the least to the greatest in it. Not as
  // a path: stroking the zigzag of a long clip takes some seventy times as long.
  function line(values, lane, toShare, { style, width, dash = [1, 0], filled = false, from = 0, to = values.length }) {
    const { curves, view } = scene;
    const y = (value) => lane.top + lane.height * (1 - clamp(toShare(value), 0, 1));
    const inView = view.map((time) => snippetAt(curves, time));
    const [first, last] = [Math.max(inView[0], from), Math.min(inView[1], to - 1)];
    if (first > last) return;
    const [on, off] = dash;
    const end = Math.min(scene.width, x(endOf(last)));
    let [i, before] = [first, values[first]];
    pen.fillStyle = style;
    for (let px = Math.max(0, Math.floor(x(first * curves.snippet_s))); px < end; px++) {
      let [low, high] = [before, before];
      for (; i <= last && x(i * curves.snippet_s) < px + 1; i++) {
        before = values[i];
        low = Math.min(low, before);
        high = Math.max(high, before);
      }
      if (px % (on + off) >= on) continue;
      const top = y(high) - width / 2;
      pen.fillRect(px, top, 1, (filled ? lane.top + lane.height : y(low) + width / 2) - top);
    }
  }

  function bands(spans, lane, style, least = 1) {
    pen.fillStyle = style;
    for (const [from, to] of spans) {
      if (to < scene.view[0] || from > scene.view[1]) continue;
      const left = Math.max(-2, x(from));
      pen.fillRect(left, lane.top, Math.max(least, Math.min(scene.width + 2, x(to)) - left), lane.height);
    }
  }

  function rules(lane, shares) {
    pen.fillStyle = ink.grid;
    for (const share of shares) pen.fillRect(0, Math.round(lane.top + lane.height * (1 - share)), scene.width, 1);
  }

  // Words in the middle of a stretch, if it has room for them.
  function plate(words, [start_s, end_s], top) {
    pen.font = '600 11px system-ui, sans-serif';
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    const [from, to] = [Math.max(0, x(start_s)), Math.min(scene.width, x(end_s))];
    const wide = pen.measureText(words).width + 8;
    if (to - from < wide) return;
    pen.fillStyle = ink.sunk;
    pen.fillRect((from + to - wide) / 2, top, wide, 16);
    pen.fillStyle = ink.text;
    pen.fillText(words, (from + to) / 2, top + 8);
  }

  function hatch(style, width, apart) {
    const tile = new OffscreenCanvas(apart, apart);
    const tip = tile.getContext('2d');
    tip.strokeStyle = style;
    tip.lineWidth = width;
    for (const shift of [-apart, 0, apart]) {
      tip.moveTo(shift, apart);
      tip.lineTo(shift + apart, 0);
    }
    tip.stroke();
    return pen.createPattern(tile, 'repeat');
  }

  // An empty canvas of the scene's size, with the time axis beginning at 0.
  function begin(now) {
    scene = now;
    const ratio = window.devicePixelRatio || 1;
    const [wide, high] = [now.left + now.width + RIGHT_PX, now.height];
    if (canvas.width !== Math.round(wide * ratio) || canvas.height !== Math.round(high * ratio)) {
      canvas.width = Math.round(wide * ratio);
      canvas.height = Math.round(high * ratio);
      Object.assign(canvas.style, { width: wide + 'px', height: high + 'px' });
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, wide, high);
    pen.translate(now.left, 0);
  }

  const dip = (inks) => {
    ink = inks;
  };
  return { pen, begin, dip, x, endOf, line, bands, rules, plate, hatch };
}
