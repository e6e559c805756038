// One time axis for every lane. A canvas holds the lanes; the cursor, the threshold, the segment strip and all pointer
// work lie above it as plain elements, so that playback moves one CSS transform and never redraws.
import { colourOf, find, onTheme } from '../lib/dom.js';
import { clock } from '../lib/format.js';
import { listen, state, tell } from '../state.js';
import { makeAxis } from './axis.js';
import { makeEdges } from './edges.js';
import { makeFolds, writeLabels, writeLaneHelp, writeLegend, writeWords } from './labels.js';
import { layLanes } from './lanes.js';
import { makePainter } from './paint.js';
import { makePreviews } from './previews.js';
import { makeReadout } from './readout.js';
import { makeSplitter } from './splitter.js';
import { makeStrips, otherNames, othersOf, sameOthers } from './strips.js';
import { makeThreshold } from './threshold.js';
import { onWheel, wheelFactor } from './wheel.js';

const NOTHING = { segments: [], near_misses: [], marks: [], misses: [], others: [] };

export function makeTimeline({ video, now, onSeek, onHold, onEdge, isShown }) {
  const box = find('.rv-lanes');
  const field = find('.rv-field');
  const hit = find('.rv-hit');
  const cursor = find('.rv-cursor');
  let curves = null;
  let lanes = {};
  let size = {}; // height of the lanes, and what lies left of the time axis, in px
  let segments = NOTHING;
  let scoreName = 'score';
  let laidMute = false; // whether the lanes were laid out for a clip without an audio track

  const left = () => parseFloat(getComputedStyle(box).getPropertyValue('--rv-gutter'));
  const axis = makeAxis({ field, now, onView: show });
  const folds = makeFolds(redraw);
  const previews = makePreviews({ onReady: () => (previews.mute() === laidMute ? repaint() : redraw()) });
  const strips = makeStrips({ isShown, onChange: () => curves && lanes.score && show() });
  const painter = makePainter(find('.rv-plot canvas'), colourOf(box));
  const threshold = makeThreshold({
    laneOf: () => lanes.score,
    timeAt: axis.timeAt,
    onSeek,
    onHover: (event) => readout.show(event),
  });
  const readout = makeReadout({
    timeAt: axis.timeAt,
    toPx: axis.toPx,
    left,
    frameAt: previews.frameAt,
    lanesOf: () => lanes,
    linesAt: (time) => threshold.why(time, segments.segments),
    nameOf: () => scoreName,
  });

  const edges = makeEdges({ axis, strips, draw: placeStrips, onHover: readout.show, onHold, onDrop: onEdge });
  const splitter = makeSplitter({ lanesOf: () => lanes, onScale: redraw });
  writeLaneHelp();

  function redraw() {
    if (!curves || !box.clientWidth) return;
    laidMute = previews.mute();
    const others = othersOf(segments).length;
    const page = {
      folded: folds.folded,
      mute: laidMute,
      others,
      windowPx: window.innerHeight,
      scale: splitter.scale(),
    };
    const laid = layLanes(curves, page);
    lanes = laid.lanes;
    size = { height: laid.height, left: left() };
    box.style.height = laid.height + 'px';
    axis.measure();
    writeLabels(curves, lanes, scoreName, otherNames(segments));
    folds.bind();
    writeLegend(curves, scoreName, lanes);
    painter.prepare(curves, lanes);
    threshold.place();
    show();
  }

  function show() {
    overlay();
    repaint();
  }

  let painting = false;
  function repaint() {
    if (painting || !curves) return;
    painting = true;
    requestAnimationFrame(() => {
      painting = false;
      if (!curves || !axis.width()) return;
      painter.draw({ curves, lanes, segments, previews, strips, view: axis.view(), width: axis.width(), ...size });
      writeWords(curves.growing ? { film: '', sound: '' } : previews.words(), lanes);
    });
  }

  function overlay() {
    const { toPx } = axis;
    const [from, to] = ([field.dataset.from, field.dataset.to] = axis.view());
    placeStrips();
    place(now());
    tell('viewed', { from, to, toPx, lanes, width: axis.width() });
  }

  function placeStrips() {
    strips.place(axis.view(), axis.toPx, axis.width());
  }

  function place(time) {
    const px = axis.toPx(time);
    const { style } = cursor;
    style.visibility = px < -1 || px > axis.width() + 1 ? 'hidden' : '';
    style.transform = 'translateX(' + px + 'px)';
  }

  bindPointer({ field, axis, readout, onSeek });

  // The width alone: the height is ours, and drawing anew for it would take the focus from the name that was clicked.
  new ResizeObserver(() => {
    if (field.clientWidth !== axis.width()) redraw();
  }).observe(box);
  onTheme(redraw);

  function take(facts, data) {
    curves = data;
    scoreName = facts.trained ? 'anomaly score' : 'untrained score';
    axis.begin(curves.shown_s);
    hit.setAttribute('aria-valuemax', curves.shown_s.toFixed(2));
  }

  listen({
    grown(facts, data) {
      take(facts, data);
      redraw();
    },
    opened(facts, data) {
      take(facts, data);
      segments = NOTHING;
      strips.show(segments);
      redraw();
    },
    closed() {
      curves = null;
      segments = NOTHING;
      axis.begin(0);
    },
    cut(answer) {
      const sameRows = sameOthers(answer, segments);
      segments = answer;
      if (!curves) return;
      threshold.say(find('.rv-count').textContent);
      strips.show(segments);
      if (sameRows) show();
      else redraw();
    },
    // The cursor, what a screen reader hears, and a zoomed view that turns its page during playback.
    moved(time) {
      place(time);
      hit.setAttribute('aria-valuenow', time.toFixed(2));
      hit.setAttribute('aria-valuetext', clock(time));
      const [from, to] = axis.view();
      if (!video.paused && axis.zoomed() && (time > to || time < from)) axis.set(time, time + to - from);
    },
  });

  return { axis, cancel: edges.cancel, actions: actionsOn(axis) };
}

const actionsOn = (axis) => ({
  zoom() {
    if (!state.segment) return;
    const { start_s, end_s } = state.segment;
    axis.set(start_s - (end_s - start_s) / 2, end_s + (end_s - start_s) / 2);
  },
  in: () => axis.zoom(0.6),
  out: () => axis.zoom(1 / 0.6),
  left: () => axis.pan(-0.5),
  right: () => axis.pan(0.5),
  fit: axis.fit,
});

// A press is a seek, the wheel zooms, and sideways it moves the view.
function bindPointer({ field, axis, readout, onSeek }) {
  const hit = find('.rv-hit');
  hit.addEventListener('pointerdown', (event) => {
    if (!state.curves || event.button !== 0) return;
    hit.setPointerCapture(event.pointerId);
    onSeek(axis.timeAt(event));
  });
  hit.addEventListener('pointermove', (event) => {
    readout.show(event);
    if (state.curves && hit.hasPointerCapture(event.pointerId)) onSeek(axis.timeAt(event));
  });
  hit.addEventListener('pointerleave', readout.hide);
  onWheel(field, (deltaX, deltaY, event) => {
    const sideways = event.shiftKey ? deltaY || deltaX : Math.abs(deltaX) > Math.abs(deltaY) ? deltaX : 0;
    if (!state.curves || (!sideways && deltaY > 0 && !axis.zoomed())) return false; // nothing to zoom out of: the page scrolls
    if (sideways) axis.pan(sideways / axis.width());
    else axis.zoom(wheelFactor(deltaY), axis.timeAt(event));
    return true;
  });
}
