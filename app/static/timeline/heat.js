// The class map of the whole clip, one column per snippet and one line per class, in pieces that a canvas can hold.
import { clamp } from '../lib/format.js';
import { heatAlpha, similarityScale } from './lanes.js';

const HEAT_PIECE = 8192;

// 256 tints from palest to darkest, as pixels.
function makeTints(ink) {
  const ramp = new OffscreenCanvas(256, 1).getContext('2d');
  const shade = ramp.createLinearGradient(0, 0, 256, 0);
  [0, 0.33, 0.66, 1].forEach((stop, i) => shade.addColorStop(stop, ink['heat' + i]));
  ramp.fillStyle = shade;
  ramp.fillRect(0, 0, 256, 1);
  return new Uint32Array(ramp.getImageData(0, 0, 256, 1).data.buffer);
}

export function makeHeat(curves, ink) {
  const scale = similarityScale(curves);
  const tints = makeTints(ink);
  const height = curves.classes.length;
  const pieces = [];
  for (let first = 0; first < curves.scores.length; first += HEAT_PIECE) {
    const width = Math.min(HEAT_PIECE, curves.scores.length - first);
    const piece = new OffscreenCanvas(width, height);
    const image = new ImageData(width, height);
    const pixels = new Uint32Array(image.data.buffer);
    const alphas = Array.from({ length: width }, (_, i) => Math.round(255 * heatAlpha(curves, first + i)) << 24);
    for (const [row, values] of curves.similarity.entries()) {
      const [low, high] = scale[row];
      for (let i = 0; i < width; i++) {
        const share = clamp((values[first + i] - low) / (high - low || 1), 0, 1);
        pixels[row * width + i] = (tints[Math.round(255 * share)] & 0xffffff) | alphas[i];
      }
    }
    piece.getContext('2d').putImageData(image, 0, 0);
    pieces.push({ piece, first, width });
  }
  return pieces;
}

export function paintHeat(heat, lane, scene, { pen, x, endOf }) {
  const { snippet_s, scores } = scene.curves;
  const rowPx = lane.height / scene.curves.classes.length;
  const stepPx = (snippet_s / (scene.view[1] - scene.view[0])) * scene.width;
  pen.imageSmoothingEnabled = stepPx < 1;
  for (const { piece, first, width } of heat) {
    const from = Math.max(0, Math.floor(scene.view[0] / snippet_s) - first);
    const to = Math.min(width, Math.ceil(scene.view[1] / snippet_s) - first);
    if (to <= from) continue;
    const columns = (begin, end, end_s) => {
      const left = x((first + begin) * snippet_s);
      for (let row = 0; row < piece.height; row++)
        pen.drawImage(piece, begin, row, end - begin, 1, left, lane.top + row * rowPx, x(end_s) - left, rowPx);
    };
    columns(from, to, (first + to) * snippet_s);
    if (first + to === scores.length) columns(to - 1, to, endOf(first + to - 1));
  }
}
