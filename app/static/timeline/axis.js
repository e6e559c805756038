// The time axis: which part of the clip is in view, and where on the screen each moment lies.
import { clamp } from '../lib/format.js';

const MIN_VIEW_S = 0.5;

export function makeAxis({ field, now, onView }) {
  let view = [0, 1];
  let shown_s = 0; // of the clip; 0: there is none
  let width = 0; // measured when it changes: measuring at every frame costs a layout

  const zoomed = () => view[1] - view[0] < shown_s - 1e-6;
  const toPx = (time) => ((time - view[0]) / (view[1] - view[0])) * width;

  function set(from, to) {
    if (!shown_s) return;
    const span = clamp(to - from, Math.min(MIN_VIEW_S, shown_s), shown_s);
    const start = clamp(from, 0, shown_s - span);
    view = [start, start + span];
    onView();
  }

  function zoom(factor, around = now()) {
    const centre = around >= view[0] && around <= view[1] ? around : (view[0] + view[1]) / 2;
    set(centre - (centre - view[0]) * factor, centre + (view[1] - centre) * factor);
  }

  return {
    // A part that is in view of a clip that grew stays.
    begin(seconds) {
      const stays = zoomed() && view[1] <= seconds;
      shown_s = seconds;
      if (!stays) view = [0, seconds];
    },
    measure: () => {
      width = field.clientWidth;
    },
    view: () => view,
    width: () => width,
    zoomed,
    toPx,
    timeAt(event) {
      const px = event.clientX - field.getBoundingClientRect().left;
      return clamp(view[0] + (px / width) * (view[1] - view[0]), 0, shown_s);
    },
    set,
    zoom,
    pan: (share) => set(view[0] + share * (view[1] - view[0]), view[1] + share * (view[1] - view[0])),
    fit: () => set(0, shown_s),
  };
}
