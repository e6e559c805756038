// What stands beside the pointer: the moment, its frame, and the values of the curves.
import { find, make } from '../lib/dom.js';
import { clock, signed } from '../lib/format.js';
import { onlyAudio } from '../lib/unseen.js';
import { state } from '../state.js';
import { snippetAt } from './lanes.js';

const [FRAME_PX, SMALL_FRAME_PX] = [126, 78];
const LEAST_SOUND = 0.1; // of a kind of sound: less is not worth a line

// The similarity that is drawn at a height in the class lane, and what is normal.
function similarityLines(curves, lane, y, i) {
  const row = Math.floor((curves.classes.length * (y - lane.top)) / lane.height);
  if (lane.folded || row < 0 || row >= curves.classes.length) return [];
  const lines = [['similarity to ' + curves.classes[row], signed(curves.similarity[row][i])]];
  if (curves.normal_similarity)
    lines.push(['normal: usual, 1 in 1,000', curves.normal_similarity[row].map(signed).join(', ')]);
  return lines;
}

// `more`: further lines, [name, value].
function linesOf(curves, time, scoreName, more, { classes, y }) {
  const i = snippetAt(curves, time);
  const gaps = curves.unseen
    .filter(([start_s, end_s]) => time >= start_s && time < end_s)
    .map((stretch) => [onlyAudio(stretch) ? 'not heard' : 'not seen', stretch[2]]);
  const lines = [[clock(time), ''], ...gaps];
  if (time >= curves.duration_s) return curves.growing ? [...lines, ['not read yet', '']] : lines;
  if (curves.growing) lines.push(i < curves.n_final ? ['final', ''] : ['provisional', 'still being read']);
  const probs = curves.probs.map((row, c) => [row[i], curves.classes[c]]).sort((a, b) => b[0] - a[0]);
  lines.push([scoreName, curves.scores[i].toFixed(2)], ...more);
  lines.push(...probs.slice(0, 2).map(([p, name]) => ['P(' + name + ')', p.toFixed(2)]));
  lines.push(...similarityLines(curves, classes, y, i), ['saliency', curves.saliency[i].toFixed(2)]);
  if (curves.level_db) lines.push(['sound', curves.level_db[i].toFixed(0) + ' dB']);
  const sounds = curves.sounds.filter(({ values }) => values[i] >= LEAST_SOUND);
  lines.push(...sounds.map(({ name, values }) => [name, values[i].toFixed(2)]));
  return lines;
}

export function makeReadout({ timeAt, toPx, left, frameAt, linesAt, nameOf, lanesOf }) {
  const lanesBox = find('.rv-lanes');
  const box = find('.rv-readout');

  function write(time, y) {
    const { curves } = state;
    const at = { classes: lanesOf().classes, y };
    const rows = linesOf(curves, time, nameOf(), linesAt(time), at).map(([name, value]) => {
      const row = make('span');
      row.append(make('i', '', name), make('b', '', value));
      return row;
    });
    const still = frameAt(time, find('.rv-field').clientWidth < 500 ? SMALL_FRAME_PX : FRAME_PX);
    if (still && time < curves.duration_s) {
      const frame = make('div', 'rv-still');
      Object.assign(frame.style, still.style);
      frame.append(make('em', '', 'frame at ' + clock(still.time_s)));
      rows.unshift(frame);
    }
    box.replaceChildren(...rows);
  }

  return {
    show(event) {
      if (!state.curves) return;
      const time = timeAt(event);
      find('.rv-pointer').style.transform = 'translateX(' + toPx(time) + 'px)';
      write(time, event.clientY - lanesBox.getBoundingClientRect().top);
      const px = toPx(time) + left();
      const flip = px + box.offsetWidth + 16 > lanesBox.clientWidth;
      box.style.transform = 'translateX(' + (flip ? px - 12 : px + 12) + 'px)' + (flip ? ' translateX(-100%)' : '');
      lanesBox.classList.add('rv-hover');
    },
    hide: () => lanesBox.classList.remove('rv-hover'),
  };
}
