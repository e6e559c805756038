// How the timeline draws a clip that is still being read: what is provisional is dashed, and said to be.
import { AXIS_PX } from './lanes.js';

const DASH = [5, 3];

// As `line` of the pen.
export function growingLine({ growing, n_final }, line, values, lane, toShare, look) {
  if (!growing) return line(values, lane, toShare, look);
  line(values, lane, toShare, { ...look, to: n_final });
  line(values, lane, toShare, { ...look, from: Math.max(0, n_final - 1), dash: DASH });
}

// How far it is final, and how far it was read. The filmstrip is made later, and leaves its lane to these words.
export function paintGrowth({ curves, lanes, height }, { pen, x, plate }, colour) {
  const { final_s, duration_s, shown_s } = curves;
  const { film, score } = lanes;
  const top = film.folded ? score.top + 4 : film.top + film.height / 2 - 8;
  pen.fillStyle = colour;
  pen.globalAlpha = 0.5;
  for (const edge of [final_s, duration_s])
    if (edge > 0) pen.fillRect(Math.round(x(edge)), score.top, 1, height - AXIS_PX - score.top);
  pen.globalAlpha = 1;
  plate('final', [0, final_s], top);
  plate('provisional', [final_s, duration_s], top);
  plate('not read yet', [duration_s, shown_s], top);
}
