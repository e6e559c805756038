// The ends of a segment, drawn along the time axis: a press near one takes hold of it, anywhere else it is a seek.
import { find } from '../lib/dom.js';
import { clamp } from '../lib/format.js';
import { state } from '../state.js';
import { STRIP_PX } from './lanes.js';

const [POINTER_PX, FINGER_PX] = [5, 12]; // how near is near
const LEAST_S = 0.04; // what is left of a segment that is made shorter

// `onHold(segment, time)` while it is drawn, `onDrop(side, time)` where it is let go; `draw` shows the blocks.
export function makeEdges({ axis, strips, draw, onHover, onHold, onDrop }) {
  const hit = find('.rv-hit');
  let held = null; // { segment, side, time }; no time: it was not moved yet

  function under(event) {
    const box = hit.getBoundingClientRect();
    if (!state.curves || state.curves.growing || event.clientY - box.top > STRIP_PX) return null;
    const reach = event.pointerType === 'touch' ? FINGER_PX : POINTER_PX;
    return strips.endAt(event.clientX - box.left, reach, axis.toPx);
  }

  function timeOf(event) {
    const { segment, side } = held;
    const limits =
      side === 'start_s' ? [0, segment.end_s - LEAST_S] : [segment.start_s + LEAST_S, state.curves.duration_s];
    return clamp(axis.timeAt(event), ...limits);
  }

  function letGo(time) {
    const { segment, side } = held;
    held = null;
    if (time !== undefined) onDrop(side === 'start_s' ? 'start' : 'end', time);
    else strips.stretch(segment, {});
    draw();
  }

  hit.addEventListener('pointerdown', (event) => {
    held = event.button === 0 ? under(event) : null;
    if (!held) return;
    hit.setPointerCapture(event.pointerId);
    onHold(held.segment, held.segment[held.side]);
    event.stopImmediatePropagation(); // it is no seek
  });
  hit.addEventListener('pointermove', (event) => {
    if (!held) {
      hit.style.cursor = under(event) ? 'ew-resize' : '';
      return;
    }
    event.stopImmediatePropagation();
    held.time = timeOf(event);
    strips.stretch(held.segment, { [held.side]: held.time });
    draw();
    onHold(held.segment, held.time);
    onHover(event);
  });
  hit.addEventListener('pointerup', () => held && letGo(held.time));
  hit.addEventListener('pointercancel', () => held && letGo());
  return { cancel: () => held && letGo() };
}
