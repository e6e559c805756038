// The threshold as a line over the score: drawn up and down, moved by keys; and the line below which segments end.
import { find, write } from '../lib/dom.js';
import { clamp, level } from '../lib/format.js';
import { exitLine } from '../review/cut.js';
import { listen, setCut, state } from '../state.js';
import { SCORE_TOP, snippetAt } from './lanes.js';

const DRAG_PX = 3; // a press that moves less is a click
const KEYS = { ArrowUp: 0.01, ArrowRight: 0.01, ArrowDown: -0.01, ArrowLeft: -0.01, PageUp: 0.1, PageDown: -0.1 };

export function makeThreshold({ laneOf, timeAt, onSeek, onHover }) {
  const field = find('.rv-field');
  const handle = find('.rv-threshold');
  const tag = handle.querySelector('b');
  const exit = find('.rv-exit');

  function place() {
    if (!state.curves || !laneOf()) return;
    const { threshold } = state.cut;
    const { top, height } = laneOf();
    const y = (value) => 'translateY(' + (top + height * (1 - value / SCORE_TOP)) + 'px)';
    const leave = exitLine(threshold, state.curves);
    handle.style.transform = y(threshold);
    handle.setAttribute('aria-valuenow', threshold.toFixed(2));
    write(tag, threshold.toFixed(2));
    exit.style.transform = y(leave);
    write(exit.firstElementChild, 'segments end below ' + level(leave));
    write(find('.rv-legend .rv-flag-words'), 'flagged: from ' + level(threshold) + ' until below ' + level(leave));
  }

  // Why a place is flagged although the curve lies below the threshold there.
  function why(time, segments) {
    const { curves, cut } = state;
    const score = curves.scores[snippetAt(curves, time)];
    const leave = exitLine(cut.threshold, curves);
    if (score >= cut.threshold || !segments.some((s) => time >= s.start_s && time < s.end_s)) return [];
    return [['still flagged', score < leave ? 'short gap, joined' : 'until below ' + level(leave)]];
  }

  const set = (value) => setCut({ threshold: Math.round(clamp(value, 0, 1) * 100) / 100 });

  function valueAt(event) {
    const { top, height } = laneOf();
    return (1 - (event.clientY - field.getBoundingClientRect().top - top) / height) * SCORE_TOP;
  }

  // It moves when its line is drawn up or down, or its tag is held. A press that does not move is meant for the curve
  // that lies there, and so is one that moves along it.
  let press = null; // { x, y, as }: as 'threshold', 'seek' or, while nobody can tell, ''
  function grab() {
    press.as = 'threshold';
    handle.classList.add('rv-held');
    handle.focus();
  }
  handle.addEventListener('mousedown', (event) => event.preventDefault()); // a seek gives the threshold no focus
  handle.addEventListener('pointerdown', (event) => {
    if (!state.curves || event.button !== 0) return;
    handle.setPointerCapture(event.pointerId);
    press = { x: event.clientX, y: event.clientY, as: '' };
    if (event.target === tag) grab();
    event.preventDefault();
  });
  handle.addEventListener('pointermove', (event) => {
    onHover(event);
    if (!press || !handle.hasPointerCapture(event.pointerId)) return;
    const [dx, dy] = [Math.abs(event.clientX - press.x), Math.abs(event.clientY - press.y)];
    if (!press.as && Math.max(dx, dy) >= DRAG_PX) {
      if (dy >= dx) grab();
      else press.as = 'seek';
    }
    if (press.as === 'threshold') set(valueAt(event));
    else if (press.as === 'seek') onSeek(timeAt(event));
  });
  handle.addEventListener('pointerup', (event) => {
    if (press?.as === '') onSeek(timeAt(event));
    press = null;
  });
  handle.addEventListener('pointerleave', () => find('.rv-lanes').classList.remove('rv-hover'));
  handle.addEventListener('lostpointercapture', () => {
    press = null;
    handle.classList.remove('rv-held');
  });
  handle.addEventListener('keydown', (event) => {
    const by = KEYS[event.key];
    const to = { Home: 0, End: 1 }[event.key] ?? (by && state.cut.threshold + by);
    if (to === undefined) return;
    event.preventDefault();
    set(to);
  });
  listen({ cutting: place });

  return {
    place,
    why,
    say(text) {
      handle.querySelector('small').textContent = text;
      handle.setAttribute('aria-valuetext', state.cut.threshold.toFixed(2) + ': ' + text);
    },
  };
}
