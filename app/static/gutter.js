// The words of the timeline, as text of the page: names beside the lanes, the legend above, the readout at the pointer.
function writeGutter(curves, lanes, scoreName, more) {
  const label = (text, top, className, hint = '') => {
    const made = make('span', className, text);
    made.style.top = top + 'px';
    made.title = hint;
    return made;
  };
  const fold = (name, text, hint) => {
    const made = make('button', 'rv-lane rv-fold', text);
    made.type = 'button';
    made.dataset.lane = name;
    made.style.top = middle(lanes[name]) + 'px';
    made.title = hint;
    made.setAttribute('aria-expanded', String(!lanes[name].folded));
    return made;
  };
  const middle = (lane) => lane.top + lane.height / 2;
  const labels = [
    label('segments', STRIP_PX / 2, 'rv-lane'),
    fold('film', 'pictures', 'One of each snippet, or of every few; the frame at the pointer is enlarged.'),
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
  const classes = fold('classes', lanes.classes.folded ? 'class similarity' : '', 'Class similarity, by picture and class text');
  classes.setAttribute('aria-label', 'class similarity');
  labels.push(classes);
  if (!lanes.classes.folded) curves.classes.forEach((name, i) => {
    const chosen = curves.chosen.includes(i);
    const hint =
      name + ': similarity of picture and class text (Eq. 1)' + (chosen ? '; among the classes CVKA chose' : '');
    const row = label((chosen ? '• ' : '') + name, lanes.classes.top + (i + 0.5) * rowPx, 'rv-row', hint);
    row.classList.toggle('rv-chosen', chosen);
    labels.push(row);
  });
  const saliency = fold(
    'saliency',
    'video-text saliency',
    "How well the picture matches the chosen class texts, laid on the sound's time axis; no sound is in it. Triangles: its peaks, shaded: the windows round them (AFAE). Line: average.",
  );
  if (!lanes.saliency.folded) saliency.append(make('small', '', 'projected on audio'));
  labels.push(saliency);
  labels.push(
    fold('sound', 'sound', 'Waveform, as tall as its loudest moment. Line: level in dB re full scale.'),
  );
  if (curves.level_db && !lanes.sound.folded)
    for (const [value, at] of [
      ['0 dB', lanes.sound.top + 4],
      [LEVEL_FLOOR_DB, lanes.sound.top + lanes.sound.height - 4],
    ])
      labels.push(label(value, at, 'rv-tick'));
  const held = document.activeElement?.closest?.('.rv-gutter .rv-fold')?.dataset.lane;
  find('.rv-gutter').replaceChildren(...labels, ...more);
  if (held) find('.rv-fold[data-lane=' + held + ']').focus();
}

const signed = (value) => value.toFixed(2).replace('-', '−');

function writeLegend(curves, scoreName) {
  const [low, high] = extent(curves.similarity);
  const entries = [
    ['score-line', scoreName],
    ['alignment-line', '1 − P(normal)'],
    ['flag-box', 'flagged'],
    ['miss-box', 'near miss'],
    ['heat-box', 'class similarity ' + signed(low) + ' to ' + signed(high)],
    ['peak-mark', 'saliency peak and window'],
  ];
  find('.rv-legend').replaceChildren(
    ...entries.map(([swatch, text]) => {
      const made = make('span');
      made.append(make('i', 'rv-swatch rv-' + swatch), text);
      return made;
    }),
  );
}

// What a lane has to say in words, where its picture would be.
function writeWords(words, lanes) {
  for (const [name, text] of Object.entries(words)) {
    const place = find('.rv-said-' + name);
    if (place.textContent !== text) place.textContent = text;
    place.hidden = !text || lanes[name].folded;
    place.style.top = lanes[name].top + lanes[name].height / 2 + 'px';
  }
}

function writeReadout(curves, time, scoreName, still) {
  const i = clamp(Math.floor(time / curves.snippet_s), 0, curves.scores.length - 1);
  const probs = curves.probs.map((row, c) => [row[i], curves.classes[c]]).sort((a, b) => b[0] - a[0]);
  const lines = [
    [clock(time), ''],
    [scoreName, curves.scores[i].toFixed(2)],
    ...probs.slice(0, 2).map(([p, name]) => ['P(' + name + ')', p.toFixed(2)]),
    ['saliency', curves.saliency[i].toFixed(2)],
  ];
  if (curves.level_db) lines.push(['sound', curves.level_db[i].toFixed(0) + ' dB']);
  const rows = lines.map(([name, value]) => {
    const row = make('span');
    row.append(make('i', '', name), make('b', '', value));
    return row;
  });
  if (still) {
    const picture = make('div', 'rv-still');
    Object.assign(picture.style, still.style);
    picture.append(make('em', '', 'frame at ' + clock(still.time_s)));
    rows.unshift(picture);
  }
  find('.rv-readout').replaceChildren(...rows);
}

// Lanes fold away at a click on their name; the browser remembers which.
function makeFolds(onFold) {
  const KEY = 'cmhkf-folded-lanes';
  const folded = new Set((kept() ?? '').split(' ').filter(Boolean));
  // In a frame of another site the browser may refuse to remember anything.
  function kept(names) {
    try {
      return names === undefined ? localStorage.getItem(KEY) : localStorage.setItem(KEY, names);
    } catch {
      return null;
    }
  }
  function bind() {
    for (const button of element.querySelectorAll('.rv-fold'))
      button.addEventListener('click', () => {
        const { lane } = button.dataset;
        if (!folded.delete(lane)) folded.add(lane);
        kept([...folded].join(' '));
        onFold();
      });
  }
  return { folded, bind };
}
