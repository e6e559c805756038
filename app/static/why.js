// The tab "Why": what the analysis holds about one segment. It stays with the last segment visited; a seek from within
// the tab, such as a look at a similar moment, does not take it away, but offers the segment there.
function makeWhy({ onGo, onOpen, strongest }) {
  const panel = find('#rv-panel-why');
  let analysis = null;
  let segment = null;
  let current = null; // where playback is
  let looking = false; // a seek from within the tab
  let drawn = null; // the segment on screen
  let curves = [];

  const visible = () => !panel.hidden;
  const same = (a, b) => ['start_s', 'end_s', 'label', 'score'].every((name) => a?.[name] === b?.[name]);
  const key = () => analysis && segment && { analysis_id: analysis, start_s: segment.start_s, end_s: segment.end_s };

  function onSeek(time) {
    looking = true;
    onGo(time); // tells of the segment there before it returns
    looking = false;
  }

  function explain(now) {
    segment = now;
    show();
  }

  function offer() {
    const button = panel.querySelector('.rv-other');
    if (!button) return;
    button.hidden = !current || same(current, segment);
    button.textContent = current ? 'Explain ' + current.label + ', ' + clock(current.start_s, 1) + ', instead' : '';
  }

  function rest(message) {
    drawn = null;
    curves = [];
    const box = make('div', 'rv-rest-state');
    box.append(make('p', '', message));
    const best = strongest();
    const words = best && 'Go to the strongest: ' + best.label + ', ' + clock(best.peak_s, 1);
    if (best) box.append(pressed(words, 'rv-btn', () => onGo(best.peak_s)));
    panel.replaceChildren(box);
  }

  async function show() {
    if (!visible() || !analysis) return;
    if (!segment) return rest('Select a segment to see why it was flagged: press N or P, or click one in the table.');
    if (drawn && same(drawn, segment)) return; // cut anew at another threshold, with the same edges
    const asked = (drawn = segment);
    try {
      const facts = await ask('why', key());
      if (drawn !== asked) return;
      draw(facts);
      const found = await ask('neighbours', key());
      if (drawn === asked) drawNeighbours(found);
    } catch (error) {
      if (drawn === asked) rest(error.message);
    }
  }

  function draw(facts) {
    const { from_s, to_s, step_s } = facts;
    const curve = (lines, low, high, label) => {
      const mark = [segment.start_s, Math.min(segment.end_s, to_s)];
      const made = makeCurve({ lines, from_s, to_s, step_s, low, high, mark, label, onSeek });
      curves.push(made);
      return made.box;
    };
    curves = [];
    handOver(panel, panel);
    panel.replaceChildren(
      head(),
      pressed('', 'rv-btn rv-small rv-other', () => explain(current)),
      make('p', 'rv-part rv-headline', facts.headline),
      classes(facts),
      saliency(facts, curve),
      leftOut(facts, curve),
      ...cues(facts),
      near(),
    );
    panel.scrollTop = 0;
    offer();
  }

  function head() {
    const made = make('div', 'rv-whyhead');
    const name = make('h3', '', segment.label);
    name.title = segment.label;
    const when = clock(segment.start_s, 1) + ' – ' + clock(segment.end_s, 1);
    const back = pressed(when, 'rv-btn rv-small', () => onSeek(segment.start_s));
    back.setAttribute('aria-label', 'Go to the segment, ' + when);
    const peak = pressed('peak ' + segment.score.toFixed(2), 'rv-btn rv-small', () => onSeek(segment.peak_s));
    peak.setAttribute('aria-label', 'Go to the peak, ' + segment.score.toFixed(2) + ' at ' + clock(segment.peak_s, 1));
    made.append(name, back, peak);
    return made;
  }

  function classes(facts) {
    const made = section(
      'What the picture resembles',
      'The classes that CVKA chose here, by cosine of picture and class text.',
    );
    const scale = [Math.min(...facts.classes.map((c) => c.low)), Math.max(...facts.classes.map((c) => c.high))];
    made.append(contrastKey(), contrastRows(facts.classes, () => scale));
    return made;
  }

  function saliency({ saliency: s, from_s, to_s }, curve) {
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

  function leftOut({ what_ifs, scores, from_s, to_s }, curve) {
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

  function cues(facts) {
    if (!facts.cues.length) return [];
    const made = section(
      'Named cues',
      'Signals of the encoders that need no training. Each has its own scale, up to its greatest value in the clip.',
    );
    made.append(contrastRows(facts.cues, (cue) => [cue.low, cue.high]));
    return [made];
  }

  function near() {
    const made = section('Looks like this elsewhere');
    made.append(make('p', 'rv-hint rv-near-said', 'Searching the library…'), make('ul', 'rv-nearest'));
    return made;
  }

  function drawNeighbours({ neighbours, n_clips, by }) {
    const clips = n_clips === 1 ? 'this clip' : n_clips + ' clips of this model';
    panel.querySelector('.rv-near-said').textContent = neighbours.length
      ? 'Nearest to the peak among the snippets of ' + clips + ', by cosine of the ' + by + '.'
      : 'Nothing else to compare with yet: open more clips.';
    panel.querySelector('.rv-nearest').replaceChildren(
      ...neighbours.map((n) => {
        const button = pressed('', 'rv-neighbour', () => (n.here ? onSeek(n.time_s) : onOpen(n)));
        if (n.url) {
          const picture = make('video');
          Object.assign(picture, { muted: true, preload: 'metadata', tabIndex: -1 });
          picture.src = address(n.url) + '#t=' + (n.time_s + 0.05).toFixed(2);
          button.append(picture);
        } else button.append(make('span', 'rv-noframe', 'no picture'));
        const facts = make('span', 'rv-nearfacts');
        facts.append(make('span', '', clock(n.time_s, 1)), make('b', '', n.similarity.toFixed(2)));
        button.append(make('span', 'rv-name', n.here ? 'this clip' : n.name), facts);
        button.title = n.name + ' at ' + clock(n.time_s, 1) + ', cosine ' + n.similarity.toFixed(3);
        const item = make('li');
        item.append(button);
        return item;
      }),
    );
  }

  return {
    opened(facts) {
      analysis = facts.analysis_id;
    },
    closed() {
      analysis = segment = drawn = current = null;
      curves = [];
      panel.replaceChildren();
    },
    selected(now) {
      current = now;
      if (now && !looking) explain(now);
      else offer();
    },
    cut() {
      if (!drawn) show();
    },
    panel: show,
    moved(time) {
      if (visible()) for (const curve of curves) curve.move(time);
    },
  };
}

parts.push(
  makeWhy({
    onGo: transport.seek,
    onOpen: ({ analysis_id, time_s }) => openClip({ analysis_id }, time_s),
    strongest: () => segments.all().reduce((best, s) => (best && best.score >= s.score ? best : s), null),
  }),
);
