// The words of the timeline, as text of the page: labels beside the lanes, the legend above, words in a lane.
import { find, make, write } from '../lib/dom.js';
import { signed } from '../lib/format.js';
import { element } from '../lib/host.js';
import { recall, remember } from '../lib/memory.js';
import { lostSense } from '../lib/unseen.js';
import { LANE_WORDS, LEVEL_FLOOR_DB, SCORE_TOP, similarityScale, STRIP_PX } from './lanes.js';

const hintOf = (name) => LANE_WORDS[name].slice(1).join('\n');
const middle = (lane) => lane.top + lane.height / 2;

function labelAt(top, className, text, hint = '') {
  const made = make('span', className, text);
  made.style.top = top + 'px';
  made.title = hint;
  return made;
}

// The label of a lane that folds away.
function foldAt(lane, name, text) {
  const made = make('button', 'rv-lane rv-fold', text);
  made.type = 'button';
  made.dataset.lane = name;
  made.style.top = middle(lane) + 'px';
  made.title = hintOf(name) + (lane.folded ? '\nClick to unfold.' : '\nClick to fold.');
  made.ariaExpanded = String(!lane.folded);
  return made;
}

function classLabels(curves, lane) {
  const name = foldAt(lane, 'classes', lane.folded ? 'class similarity' : '');
  name.ariaLabel = 'class similarity';
  if (lane.folded) return [name];
  const rowPx = lane.height / curves.classes.length;
  const rows = curves.classes.map((text, i) => {
    const chosen = curves.chosen.includes(i);
    const hint =
      text + ': similarity of picture and class text (Eq. 1)' + (chosen ? '; among the classes CVKA chose' : '');
    const className = chosen ? 'rv-row rv-chosen' : 'rv-row';
    return labelAt(lane.top + (i + 0.5) * rowPx, className, (chosen ? '• ' : '') + text, hint);
  });
  return [name, ...rows];
}

function heardLabels(curves, lane) {
  const name = foldAt(lane, 'heard', lane.folded ? 'kinds of sound' : '');
  name.ariaLabel = 'kinds of sound';
  if (lane.folded) return [name];
  const rowPx = lane.height / curves.sounds.length;
  return [
    name,
    ...curves.sounds.map((s, i) => labelAt(lane.top + (i + 0.5) * rowPx, 'rv-row', s.name, hintOf('heard'))),
  ];
}

// `more`: labels of strips.
export function writeLabels(curves, lanes, scoreName, more) {
  const { film, score, classes, saliency, sound, heard } = lanes;
  const tick = (top, text) => labelAt(top, 'rv-tick', text);
  const saliencyLabel = foldAt(saliency, 'saliency', 'video-text saliency');
  if (!saliency.folded) saliencyLabel.append(make('small', '', 'projected on audio'));
  const labels = [
    labelAt(STRIP_PX / 2, 'rv-lane', 'segments', hintOf('segments')),
    foldAt(film, 'film', 'pictures'),
    labelAt(middle(score), 'rv-lane rv-score', scoreName, hintOf('score')),
    ...[0, 0.5, 1].map((value) => tick(score.top + score.height * (1 - value / SCORE_TOP), value.toFixed(1))),
    ...classLabels(curves, classes),
    saliencyLabel,
    foldAt(sound, 'sound', 'sound'),
  ];
  if (curves.level_db && !sound.folded)
    labels.push(tick(sound.top + 4, '0 dB'), tick(sound.top + sound.height - 4, LEVEL_FLOOR_DB));
  if (heard) labels.push(...heardLabels(curves, heard));
  const held = document.activeElement?.closest?.('.rv-gutter .rv-fold')?.dataset.lane;
  find('.rv-gutter').replaceChildren(...labels, ...more);
  if (held) find('.rv-fold[data-lane=' + held + ']').focus();
}

function heatWords(curves) {
  if (curves.normal_similarity) return 'dark: as 1 in 1,000 of normal footage; faint where the score is low';
  const [low, high] = similarityScale(curves)[0];
  return signed(low) + ' to ' + signed(high) + ', the extremes of this clip';
}

// The same words for who has no pointer to hover with: in the help.
export function writeLaneHelp() {
  find('.rv-lanehelp').replaceChildren(
    ...Object.values(LANE_WORDS).map(([name, plain, terms]) => {
      const row = make('div');
      const said = make('dd', '', plain + ' ');
      said.append(make('small', '', terms));
      row.append(make('dt', '', name), said);
      return row;
    }),
  );
}

export function writeLegend(curves, scoreName, lanes) {
  const entries = [
    ['score-line', scoreName],
    ['alignment-line', '1 − P(normal)'],
    ['flag-box', '', 'rv-flag-words'],
    ['miss-box', 'near miss'],
  ];
  if (!lanes.classes.folded) entries.push(['heat-box', 'class similarity, ' + heatWords(curves)]);
  if (!lanes.saliency.folded) entries.push(['peak-mark', 'saliency peak and window']);
  if (curves.growing) entries.splice(1, 0, ['provisional-line', 'provisional']);
  if (curves.unseen.length) entries.unshift(['unseen-box', 'not ' + lostSense(curves.unseen)]);
  find('.rv-legend').replaceChildren(
    ...entries.map(([swatch, text, className]) => {
      const made = make('span');
      made.append(make('i', 'rv-swatch rv-' + swatch), make('span', className, text));
      return made;
    }),
  );
}

// What a lane has to say in words, where its drawing would be.
export function writeWords(words, lanes) {
  for (const [name, text] of Object.entries(words)) {
    const place = find('.rv-said-' + name);
    write(place, text);
    place.hidden = !text || lanes[name].folded;
    place.style.top = middle(lanes[name]) + 'px';
  }
}

// Lanes fold away at a click on their label; the browser remembers which. The paper's own two are folded at first, which
// leaves the room to the video.
export function makeFolds(onFold) {
  const KEY = 'cmhkf-folded-lanes';
  const folded = new Set((recall(KEY) ?? 'classes saliency').split(' ').filter(Boolean));
  function bind() {
    for (const label of element.querySelectorAll('.rv-fold'))
      label.addEventListener('click', () => {
        const { lane } = label.dataset;
        if (!folded.delete(lane)) folded.add(lane);
        remember(KEY, [...folded].join(' '));
        onFold();
      });
  }
  return { folded, bind };
}
