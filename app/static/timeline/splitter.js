// The line between the video and the lanes: drawn down it gives the video more room, drawn up the lanes.
import { find } from '../lib/dom.js';
import { clamp } from '../lib/format.js';
import { recall, remember } from '../lib/memory.js';

const KEY = 'cmhkf-lanes-scale';
const [LEAST, MOST, STEP] = [0.5, 2.5, 0.1];

// `lanesOf` tells how the lanes lie now.
export function makeSplitter({ lanesOf, onScale }) {
  const handle = find('.rv-split');
  let scale = clamp(Number(recall(KEY)) || 1, LEAST, MOST);
  let held = null; // { y, scale, px } where it was taken hold of, `px` of lanes that grow

  function show() {
    handle.setAttribute('aria-valuenow', String(Math.round(100 * scale)));
    handle.setAttribute('aria-valuetext', Math.round(100 * scale) + ' % of the usual');
  }

  function set(value) {
    const next = clamp(value, LEAST, MOST);
    if (next === scale) return;
    scale = next;
    remember(KEY, String(scale));
    show();
    onScale();
  }

  handle.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    const px = Object.values(lanesOf()).reduce((sum, lane) => sum + (lane.folded ? 0 : lane.height), 0);
    held = { y: event.clientY, scale, px };
    handle.setPointerCapture(event.pointerId);
  });
  handle.addEventListener('pointermove', (event) => {
    if (held?.px) set((held.scale * (held.px + held.y - event.clientY)) / held.px);
  });
  handle.addEventListener('lostpointercapture', () => {
    held = null;
  });
  handle.addEventListener('dblclick', () => set(1));
  handle.addEventListener('keydown', (event) => {
    const to = { ArrowUp: scale + STEP, ArrowDown: scale - STEP, Home: LEAST, End: MOST }[event.key];
    if (to === undefined || event.shiftKey) return;
    event.preventDefault();
    set(Math.round(20 * to) / 20);
  });
  show();
  return { scale: () => scale };
}
