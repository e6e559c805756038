// The tab "Classes": names that the user types, compared with the clip at once from its cached features.
function makeClasses({ onSeek, onNames }) {
  const form = find('.rv-own');
  const input = form.elements.names;
  const said = find('.rv-own-said');
  const list = find('.rv-own-list');
  let analysis = null;
  let duration = 0;
  let compared = ''; // analysis and names on screen
  let segment = null;
  let curves = [];

  const split = (text) =>
    text
      .split(/[,;\n]/)
      .map((name) => name.trim().replace(/\s+/g, ' '))
      .filter(Boolean);
  const names = () => split(input.value);
  const listed = (list) => list.join(', ');

  function clear() {
    curves = [];
    compared = '';
    list.replaceChildren();
    said.textContent = '';
    said.classList.remove('rv-wrong');
  }

  async function compare(again = false) {
    onNames(); // a link restores them
    const wanted = analysis + '\n' + input.value;
    if (!analysis || (wanted === compared && !again)) return;
    clear();
    if (!input.value.trim() && !again) return;
    compared = wanted;
    said.textContent = 'Comparing…';
    try {
      const answer = await ask('compare', { analysis_id: analysis, text: input.value });
      if (compared === wanted) draw(answer);
    } catch (error) {
      if (compared !== wanted) return;
      said.textContent = error.message;
      said.classList.add('rv-wrong');
    }
  }

  function draw({ classes, duration_s, step_s, weak }) {
    duration = duration_s;
    const low = Math.min(...classes.map((c) => Math.min(...c.curve)));
    const high = Math.max(...classes.map((c) => c.peak));
    said.textContent =
      'Cosine of picture and text, ' +
      low.toFixed(2) +
      ' to ' +
      high.toFixed(2) +
      ' on one scale; dotted: mean. A similarity, not a probability' +
      (weak ? '; from the demo encoders, a weak hint only.' : ': even what is not there has a peak.');
    curves = [];
    list.replaceChildren(...classes.map((own) => row(own, { low, high, step_s })), axisRow(0, duration));
  }

  function row(own, { low, high, step_s }) {
    const made = make('div', 'rv-ownclass');
    const top = make('div', 'rv-owntop');
    const words = 'peak ' + own.peak.toFixed(2) + ' at ' + clock(own.peak_s, 1);
    const peak = pressed(words, 'rv-btn rv-small', () => onSeek(own.peak_s));
    const off = pressed('×', 'rv-icon', () => {
      handOver(list, form.querySelector('[type=submit]'));
      input.value = listed(names().filter((name) => name !== own.name));
      compare();
    });
    off.setAttribute('aria-label', 'Remove ' + own.name);
    top.append(make('span', 'rv-what', own.name), peak, off);
    const curve = makeCurve({
      lines: [
        { level: own.mean, className: 'rv-dots' },
        { values: own.curve, className: 'rv-violet' },
      ],
      from_s: 0,
      to_s: duration,
      step_s,
      low,
      high,
      mark: segment && [segment.start_s, Math.min(segment.end_s, duration)],
      label: 'Similarity to ' + own.name + ' over the clip',
      onSeek,
    });
    curves.push(curve);
    made.append(top, curve.box);
    return made;
  }

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    compare(true);
  });
  input.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    compare(true);
  });
  form.querySelector('[type=reset]').addEventListener('click', (event) => {
    event.preventDefault();
    input.value = '';
    compare();
    input.focus();
  });
  input.value = listed(split(new URLSearchParams(location.search).get('words') ?? ''));

  const look = () => {
    if (!find('#rv-panel-classes').hidden) compare();
  };
  return {
    opened(facts) {
      analysis = facts.analysis_id;
      look();
    },
    closed() {
      analysis = segment = null;
      clear();
    },
    selected(now) {
      segment = now;
    },
    panel: look,
    address(query) {
      if (names().length) query.set('words', names().join(','));
    },
    moved(time) {
      if (!find('#rv-panel-classes').hidden) for (const curve of curves) curve.move(time);
    },
  };
}

parts.push(makeClasses({ onSeek: transport.seek, onNames: keepAddress }));
