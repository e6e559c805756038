// The parts of the tab "Why", from what the server says of a segment. `curve(lines, low, high, label)` draws one over it.
import { button, make, thumbnail } from '../lib/dom.js';
import { clock, clockSpan } from '../lib/format.js';
import { markName } from '../review/cut.js';
import { runsLine } from '../review/runs_line.js';
import { state } from '../state.js';
import { axisRow, contrastKey, contrastRows, section } from './charts.js';

export function sharesPart({ shares }) {
  const made = section(
    'What it is called',
    'How the anomaly classes share the score here: the first names the segment.',
  );
  made.append(
    contrastKey(),
    contrastRows(shares, () => [0, 1]),
  );
  return made;
}

// The classes of a segment that has more than one over time.
export function runsPart({ class_runs }, onSeek) {
  if (!class_runs.length) return [];
  const made = section('What it is called over time', 'Classes that are the strongest for at least 2 s in a row.');
  made.append(runsLine(class_runs, onSeek));
  return [made];
}

export function classesPart(facts) {
  const made = section(
    'What the picture resembles',
    'The classes that CVKA chose here, by cosine of picture and class text.',
  );
  const scale = [Math.min(...facts.classes.map((c) => c.low)), Math.max(...facts.classes.map((c) => c.high))];
  made.append(
    contrastKey(),
    contrastRows(facts.classes, () => scale),
  );
  return made;
}

export function saliencyPart({ saliency: s, from_s, to_s }, curve) {
  const made = section(
    'Video-text saliency',
    'How well the picture matches those texts, projected on the audio axis; no sound is in it. 1 is the average.',
  );
  const top = Math.max(2, s.high);
  const lines = [
    { level: 1, className: 'rv-dots' },
    { values: s.curve, className: 'rv-teal' },
  ];
  made.append(
    contrastRows([{ ...s, name: 'saliency' }], () => [0, top]),
    curve(lines, 0, top, 'Saliency round the segment'),
    axisRow(from_s, to_s),
  );
  return made;
}

export function withoutPart({ what_ifs, scores, from_s, to_s }, curve) {
  const made = section('The score without sound, without text');
  for (const { name, words, scores: without } of what_ifs) {
    made.append(make('p', without ? 'rv-words' : 'rv-words rv-dim', words));
    if (!without) continue;
    const lines = [
      { values: scores, className: 'rv-blue' },
      { values: without, className: 'rv-dash' },
    ];
    const key = make('p', 'rv-key');
    key.append(make('i', 'rv-full'), 'score', make('i', 'rv-without'), 'without ' + name);
    const label = 'Score with and without ' + name + ' round the segment';
    made.append(key, curve(lines, 0, 1, label), axisRow(from_s, to_s));
  }
  return made;
}

export function cuesPart(facts) {
  if (!facts.cues.length) return [];
  const made = section(
    'Named cues',
    'Signals of the encoders that need no training. Each has its own scale, up to its greatest value in the clip.',
  );
  made.append(contrastRows(facts.cues, (cue) => [cue.low, cue.high]));
  return [made];
}

export function nearPart() {
  const made = section('Looks like this elsewhere');
  made.append(make('p', 'rv-hint rv-near-said', 'Searching the library…'), make('ul', 'rv-nearest'));
  return made;
}

// One moment that looks alike. `onPress` goes there.
export function neighbourButton(n, onPress) {
  const made = button('', 'rv-neighbour', onPress);
  made.append(n.url ? thumbnail(n.url, (n.time_s + 0.05).toFixed(2)) : make('span', 'rv-noframe', 'no picture'));
  const facts = make('span', 'rv-nearfacts');
  facts.append(make('span', '', clock(n.time_s, 1)), make('b', '', n.similarity.toFixed(2)));
  made.append(make('span', 'rv-name', n.here ? 'this clip' : n.name), facts);
  made.title = n.name + ' at ' + clock(n.time_s, 1) + ', cosine ' + n.similarity.toFixed(3);
  return made;
}

// The segment's name, and ways to it and to its peak.
export function whyHead(segment, onSeek) {
  const made = make('div', 'rv-whyhead');
  const name = make('h3', '', markName(state.curves, segment));
  const when = clockSpan(segment.start_s, segment.end_s);
  const back = button(when, 'rv-btn rv-small', () => onSeek(segment.start_s));
  back.ariaLabel = 'Go to the segment, ' + when;
  made.append(name, back, peakOf(segment, onSeek));
  return made;
}

// A segment that a person added has no peak, nor has a part of one that was split by an earlier version.
function peakOf({ score, peak_s, model_label }, onSeek) {
  if (score === null || peak_s === null)
    return make('span', 'rv-hint', model_label ? 'the peak lies elsewhere' : 'added by hand, no score');
  const peak = button('peak ' + score.toFixed(2), 'rv-btn rv-small', () => onSeek(peak_s));
  peak.ariaLabel = 'Go to the peak, ' + score.toFixed(2) + ' at ' + clock(peak_s, 1);
  return peak;
}
