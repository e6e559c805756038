// The words of the timeline, as text of the page: names beside the lanes, the legend above, the readout at the pointer.
function writeGutter(curves, lanes, scoreName, more) {
  const label = (text, top, className, hint = '') => {
    const made = make('span', className, text);
    made.style.top = top + 'px';
    made.title = hint;
    return made;
  };
  const middle = (lane) => lane.top + lane.height / 2;
  const labels = [
    label('segments', STRIP_PX / 2, 'rv-lane'),
    label(
      scoreName,
      middle(lanes.score),
      'rv-lane rv-score',
      'Solid: the score that the threshold cuts. Dotted: 1 − P(normal) of the alignment branch.',
    ),
  ];
  for (const value of [0, 0.5, 1])
    labels.push(label(value.toFixed(1), lanes.score.top + lanes.score.height * (1 - value / SCORE_TOP), 'rv-tick'));
  const rowPx = lanes.classes.height / curves.classes.length;
  curves.classes.forEach((name, i) => {
    const chosen = curves.chosen.includes(i);
    const hint =
      name + ': similarity of picture and class text (Eq. 1)' + (chosen ? '; among the classes CVKA chose' : '');
    const row = label((chosen ? '• ' : '') + name, lanes.classes.top + (i + 0.5) * rowPx, 'rv-row', hint);
    row.classList.toggle('rv-chosen', chosen);
    labels.push(row);
  });
  const saliency = label(
    'video-text saliency',
    middle(lanes.saliency),
    'rv-lane',
    "How well the picture matches the chosen class texts, laid on the sound's time axis; no sound is in it. Shaded: the windows round its peaks (AFAE). Line: average.",
  );
  saliency.append(make('small', '', 'projected on audio'));
  labels.push(saliency);
  if (lanes.sound)
    labels.push(
      label('sound level', middle(lanes.sound), 'rv-lane', 'dB re full scale, from ' + LEVEL_FLOOR_DB + ' up'),
    );
  find('.rv-gutter').replaceChildren(...labels, ...more);
}

function writeLegend(curves, scoreName) {
  const [low, high] = extent(curves.similarity);
  const entries = [
    ['score-line', scoreName],
    ['alignment-line', '1 − P(normal)'],
    ['flag-box', 'flagged'],
    ['miss-box', 'near miss'],
    ['heat-box', 'class similarity ' + low.toFixed(2) + ' to ' + high.toFixed(2)],
    ['window-box', 'saliency window'],
  ];
  find('.rv-legend').replaceChildren(
    ...entries.map(([swatch, text]) => {
      const made = make('span');
      made.append(make('i', 'rv-swatch rv-' + swatch), text);
      return made;
    }),
  );
}

function writeReadout(curves, time, scoreName) {
  const i = clamp(Math.floor(time / curves.snippet_s), 0, curves.scores.length - 1);
  const probs = curves.probs.map((row, c) => [row[i], curves.classes[c]]).sort((a, b) => b[0] - a[0]);
  const lines = [
    [clock(time), ''],
    [scoreName, curves.scores[i].toFixed(2)],
    ...probs.slice(0, 2).map(([p, name]) => ['P(' + name + ')', p.toFixed(2)]),
    ['saliency', curves.saliency[i].toFixed(2)],
  ];
  if (curves.level_db) lines.push(['sound', curves.level_db[i].toFixed(0) + ' dB']);
  find('.rv-readout').replaceChildren(
    ...lines.map(([name, value]) => {
      const row = make('span');
      row.append(make('i', '', name), make('b', '', value));
      return row;
    }),
  );
}
