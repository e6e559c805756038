// The wheel over a part of the timeline: `onTurn` answers whether it took the turn; else the page scrolls.
import { clamp } from '../lib/format.js';

export function onWheel(box, onTurn) {
  const turn = (event) => {
    if (onTurn(event.deltaX, event.deltaY, event)) event.preventDefault();
  };
  box.addEventListener('wheel', turn, { passive: false });
}

// How much a turn zooms.
export const wheelFactor = (deltaY) => Math.exp(clamp(deltaY, -200, 200) / 400);
