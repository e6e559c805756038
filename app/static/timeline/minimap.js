// The whole of a clip in a thin strip: its score, its segments, and the part in view as a window to move. A short clip
// has it while it is zoomed.
import { colourOf, find, onTheme } from '../lib/dom.js';
import { clock } from '../lib/format.js';
import { listen } from '../state.js';
import { onWheel, wheelFactor } from './wheel.js';

const MINIMAP_FROM_S = 300;
const WHOLE = 0.99; // of a clip in view: nothing to move

export function makeMinimap(axis) {
  const box = find('.rv-mini');
  const pane = find('.rv-pane');
  const canvas = box.querySelector('canvas');
  let curves = null;
  let length_s = 0;
  let flagged = [];
  let held = null; // where in the window the pointer took hold, in seconds after its beginning

  const width = () => box.clientWidth;
  const colour = colourOf(box);

  let drawing = false;
  function draw() {
    if (drawing) return;
    drawing = true;
    requestAnimationFrame(() => {
      drawing = false;
      paint();
    });
  }

  function paint() {
    if (!curves || box.hidden || !width()) return;
    const ratio = window.devicePixelRatio || 1;
    const [wide, high] = [width(), box.clientHeight];
    canvas.width = wide * ratio;
    canvas.height = high * ratio;
    const pen = canvas.getContext('2d');
    pen.scale(ratio, ratio);
    const px = (time) => (time / curves.shown_s) * wide;
    pen.fillStyle = colour('flag-soft');
    for (const s of flagged) pen.fillRect(px(s.start_s), 0, Math.max(1, px(s.end_s) - px(s.start_s)), high);
    pen.fillStyle = colour('score');
    const n = curves.scores.length;
    const reach = px(curves.duration_s);
    for (let column = 0; column < reach; column++) {
      let top = 0;
      const first = Math.min(n - 1, Math.floor((column * n) / reach));
      const end = Math.min(n, Math.max(Math.floor(((column + 1) * n) / reach), first + 1));
      for (let i = first; i < end; i++) top = Math.max(top, curves.scores[i]);
      pen.fillRect(column, high - top * (high - 2), 1, top * (high - 2));
    }
    pen.fillStyle = colour('unseen');
    for (const [from, to] of curves.unseen) pen.fillRect(px(from), 0, Math.max(1, px(to) - px(from)), high);
  }

  function viewed({ from, to }) {
    if (!curves) return;
    const hidden = length_s < MINIMAP_FROM_S && to - from > WHOLE * length_s;
    if (box.hidden && !hidden) draw();
    box.hidden = hidden;
    pane.style.left = (100 * from) / curves.shown_s + '%';
    pane.style.width = (100 * (to - from)) / curves.shown_s + '%';
    pane.setAttribute('aria-valuenow', from.toFixed(1));
    pane.setAttribute('aria-valuetext', clock(from, 0) + ' to ' + clock(to, 0));
  }

  const timeOf = (event) => ((event.clientX - box.getBoundingClientRect().left) / width()) * curves.shown_s;
  function hold(event) {
    const [from, to] = axis.view();
    axis.set(timeOf(event) - held, timeOf(event) - held + to - from);
  }
  box.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    const [from, to] = axis.view();
    const time = timeOf(event);
    held = time >= from && time <= to ? time - from : (to - from) / 2;
    box.setPointerCapture(event.pointerId);
    hold(event);
  });
  box.addEventListener('pointermove', (event) => {
    if (box.hasPointerCapture(event.pointerId)) hold(event);
  });
  onWheel(box, (deltaX, deltaY, event) => {
    axis.zoom(wheelFactor(deltaY), timeOf(event));
    return true;
  });
  pane.addEventListener('keydown', (event) => {
    const pan = { ArrowLeft: -0.1, ArrowRight: 0.1, PageUp: -1, PageDown: 1 }[event.key];
    const to = { Home: 0, End: curves.shown_s }[event.key];
    if (pan) axis.pan(pan);
    else if (to !== undefined) axis.set(to, to + axis.view()[1] - axis.view()[0]);
    else return;
    event.preventDefault();
  });
  new ResizeObserver(draw).observe(box);
  onTheme(draw);

  function take(_facts, data) {
    curves = data;
    length_s = data.growing ? data.shown_s : data.duration_s;
    flagged = [];
    pane.setAttribute('aria-valuemax', length_s.toFixed(1));
    const [from, to] = axis.view();
    viewed({ from, to });
    draw();
  }

  listen({
    grown: take,
    opened: take,
    closed() {
      curves = null;
      box.hidden = true;
    },
    cut(answer) {
      flagged = answer.segments;
      draw();
    },
    moved(time) {
      if (curves) find('.rv-minicursor').style.transform = 'translateX(' + (time / curves.shown_s) * width() + 'px)';
    },
    viewed,
  });
}
