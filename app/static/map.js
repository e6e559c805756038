// The Map tab: snippets as points, before the model beside after it. Hover shows the picture, a click goes there, a
// lasso chooses. The server places the points in the background; the ready map is a small file.
function makeMap({ onSeek, onOpen, now }) {
  const panel = find('#rv-panel-map');
  const box = make('div', 'rv-map');
  const tools = make('form', 'rv-map-tools');
  const note = make('p', 'rv-map-note');
  const work = make('div', 'rv-map-work');
  const field = make('div', 'rv-map-field rv-ownkeys');
  const plot = make('div', 'rv-map-plot');
  const card = make('div', 'rv-map-card');
  const canvas = make('canvas');
  const caption = make('p');
  const key = make('ul', 'rv-map-key');
  const chosenBox = make('div', 'rv-map-chosen');
  const layer = make('div', 'rv-lassoed');
  const rings = ['raw', 'fused'].map(() => make('i', 'rv-map-here'));
  const reel = makeFilmReel(canvas);
  const addresses = new Map(); // of videos, by analysis
  let facts = null;
  let points = null;
  let shown = []; // points in view
  let chosen = null; // points in the lasso, or null
  let at = null; // the point of the keyboard and of the card
  let segment = null;
  let truth = null;
  let marks = null;
  let lassoed = []; // runs of this clip in the lasso
  let visit = 0;
  let view = [0, 1];
  let listening = false;
  let stale = true;

  const colour = (name) => getComputedStyle(box).getPropertyValue('--rv-' + name).trim(); // prettier-ignore
  const visible = () => tabs.shown() === 'map';
  const setting = (name) => tools.elements[name].value;
  const names = () => ['raw', 'fused'].filter((name) => points?.[name]);
  const isMine = (i) => points.clips[points.clip[i]].analysis_id === facts?.analysis_id;

  // Controls --------------------------------------------------------------------------------------------------------

  function choice(name, label, options) {
    const made = make('label', '', label + ' ');
    const select = make('select');
    select.name = name;
    for (const [value, words] of options) select.append(new Option(words, value));
    made.append(select);
    return made;
  }
  const wide = make('button', 'rv-btn rv-small', 'Wider');
  wide.type = 'button';
  wide.setAttribute('aria-pressed', 'false');
  tools.append(
    choice('method', 'Place by', [['tsne', 't-SNE'], ['umap', 'UMAP']]),
    choice('scope', 'Show', [['clip', 'this clip'], ['segment', 'this segment'], ['library', 'the library']]),
    choice('colouring', 'Colour', [['class', 'class'], ['score', 'score'], ['truth', 'truth'], ['decision', 'decision']]),
    wide,
  ); // prettier-ignore
  canvas.width = 208;
  canvas.hidden = true;
  card.hidden = work.hidden = true;
  card.setAttribute('aria-hidden', 'true');
  card.append(canvas, caption);
  field.tabIndex = 0;
  field.setAttribute('role', 'slider');
  field.setAttribute('aria-label', 'Snippet on the map');
  plot.setAttribute('aria-hidden', 'true');
  work.setAttribute('role', 'status');
  field.append(plot, ...rings, card);
  box.append(tools, work, field, key, chosenBox, note);
  panel.append(box);
  layer.setAttribute('aria-hidden', 'true');
  find('.rv-strip').after(layer);

  function offer() {
    for (const option of tools.elements.colouring.options)
      option.hidden = option.disabled = { truth: !truth, decision: !marks?.some((m) => m.state !== 'open') }[option.value] ?? false;
    if (tools.elements.colouring.selectedOptions[0]?.disabled) tools.elements.colouring.value = 'class';
  }
  const spread = (on) => {
    root.classList.toggle('rv-map-wide', on);
    wide.setAttribute('aria-pressed', String(on));
  };

  // The map itself --------------------------------------------------------------------------------------------------

  async function load() {
    stale = false;
    const mine = ++visit;
    if (!facts) return;
    const wanted = {
      analysis_id: facts.analysis_id,
      method: setting('method'),
      scope: setting('scope') === 'library' ? 'library' : 'clip',
    };
    points = null;
    pick(null);
    draw();
    note.textContent = '';
    try {
      const url = await ready(wanted, mine);
      if (!url) return;
      const response = await fetch(address(url));
      if (!response.ok) throw new Error('The map is not there (' + response.status + '); choose it again.');
      const answer = await response.json();
      if (mine !== visit) return;
      points = answer;
      draw();
    } catch (error) {
      if (mine === visit) note.textContent = error.message;
    }
  }

  // The address of the finished map; null when the user has chosen another meanwhile, or cancelled.
  async function ready(wanted, mine) {
    const first = await ask('map', wanted);
    if (first.url) return first.url;
    const cancel = make('button', 'rv-btn rv-small', 'Cancel');
    const words = make('span');
    const bar = make('progress');
    cancel.type = 'button';
    bar.setAttribute('aria-label', 'Progress of the map');
    cancel.addEventListener('click', () => ask('map_cancel', first).catch(() => {}));
    work.replaceChildren(words, bar, cancel);
    work.hidden = false;
    try {
      for (;;) {
        if (mine !== visit) {
          await ask('map_cancel', first);
          return null;
        }
        const step = await ask('map_job', first);
        if (step.state === 'failed') throw new Error(step.error);
        if (step.state === 'done') return (await ask('map', wanted)).url;
        if (step.state === 'cancelled') {
          stale = true;
          note.textContent = 'Cancelled. Choose how to place the snippets to begin again.';
          return null;
        }
        const far = step.total ? step.done + 1 + ' of ' + step.total + ': ' : '';
        words.textContent = (step.message ? far + step.message : 'Waiting') + ' · ' + clock(step.elapsed_s, 0);
        await pause(250);
      }
    } finally {
      if (mine === visit) work.hidden = true;
    }
  }

  function explain() {
    const said = [points.note.split('; ').map((text) => text && text[0].toUpperCase() + text.slice(1) + '.').join(' ')];
    for (const name of names()) if (points[name].note) said.push(points[name].note + '.');
    if (setting('scope') === 'segment')
      said.push(segment ? 'Positions are those of the whole clip.' : 'No segment here: the whole clip is shown.');
    said.push(points.raw.how + '; only nearness means something.');
    return said.filter(Boolean).join(' ');
  }

  let drawing = Promise.resolve();
  function draw() {
    drawing = drawing.then(paint).catch((error) => {
      note.textContent = error.message;
    });
    return drawing;
  }
  async function paint() {
    box.classList.toggle('rv-map-empty', !points);
    showChosen();
    if (!points || !visible() || !field.clientWidth) return;
    const plotly = await loadPlotly();
    if (!points) return;
    offer();
    const mine = points.clip.map((_, i) => isMine(i));
    const inside = (i) => mine[i] && points.time_s[i] >= segment.start_s && points.time_s[i] < segment.end_s;
    const all = points.clip.map((_, i) => i);
    shown = setting('scope') === 'segment' && segment ? all.filter(inside) : all;
    const colouring = setting('colouring');
    const kinds = colouring === 'score' ? null : mapKinds(points, colouring, { truth, marks, mine });
    const places = new Map(shown.map((i, place) => [i, place]));
    const size = { width: field.clientWidth, height: field.clientHeight };
    const picked = chosen && chosen.map((i) => places.get(i)).filter((place) => place !== undefined);
    const { data, layout } = mapPlot(points, shown, { colouring, kinds, chosen: picked, colour, ...size });
    note.textContent = explain();
    writeKey(kinds);
    field.setAttribute('aria-valuemin', 0);
    field.setAttribute('aria-valuemax', Math.max(0, shown.length - 1));
    await plotly.react(plot, data, layout, { displayModeBar: false, doubleClick: false });
    listen();
    here(now());
    if (at === null) tellPoint();
  }

  function writeKey(kinds) {
    const item = (sign, words, hue) => {
      const made = make('li');
      const mark = make('b', '', sign);
      mark.style.color = 'var(--rv-' + hue + ')';
      mark.setAttribute('aria-hidden', 'true');
      made.append(mark, words);
      return made;
    };
    if (kinds) key.replaceChildren(...kinds.key.map(([, words, hue, shape]) => item(MAP_SHAPES[shape][1], words, hue)));
    else {
      const scale = make('li', 'rv-map-scale');
      scale.append('0', make('i'), '1 ' + (facts.trained ? 'anomaly score' : 'untrained score'));
      key.replaceChildren(scale);
    }
  }

  // Where a point lies on a panel, px from the field's corner.
  function spot(i, panelIndex) {
    const { _fullLayout: laid } = plot;
    const [x, y] = [laid['xaxis' + (panelIndex ? '2' : '')], laid['yaxis' + (panelIndex ? '2' : '')]];
    const set = points[names()[panelIndex]];
    return [x._offset + x.l2p(set.x[i]), y._offset + y.l2p(set.y[i])];
  }

  // Rings round the snippet that plays: plain elements, so that playback never redraws the plot.
  function here(time) {
    const drawn = points && visible() && plot._fullLayout?.xaxis;
    const i = drawn ? shown.findLast((p) => isMine(p) && points.time_s[p] - points.clips[points.clip[p]].snippet_s / 2 <= time + 1e-6) : undefined; // prettier-ignore
    for (const [n, ring] of rings.entries()) {
      ring.hidden = i === undefined || n >= names().length;
      if (ring.hidden) continue;
      const [x, y] = spot(i, n);
      ring.style.transform = 'translate(' + x + 'px,' + y + 'px)';
    }
  }

  // Points: hover, keys, click ----------------------------------------------------------------------------------------

  function words(i) {
    const clip = points.clips[points.clip[i]];
    const score = (clip.trained ? 'score ' : 'untrained score ') + points.score[i].toFixed(2);
    const text = [clock(points.time_s[i], 1), points.classes[points.class[i]], score];
    return (isMine(i) ? text : [clip.name, ...text]).join(' · ');
  }
  function tellPoint() {
    const place = at === null ? 0 : Math.max(0, shown.indexOf(at));
    field.setAttribute('aria-valuenow', place);
    field.setAttribute('aria-valuetext', shown.length ? words(shown[place]) : 'none');
  }

  async function film(i) {
    const id = points.clips[points.clip[i]].analysis_id;
    if (id === facts.analysis_id) return video.currentSrc || video.src;
    if (!addresses.has(id)) addresses.set(id, ask('show', { analysis_id: id }).then((a) => a.clip.url && address(a.clip.url)).catch(() => null)); // prettier-ignore
    return addresses.get(id);
  }

  async function point(i, panelIndex = 0) {
    at = i;
    card.hidden = i === null;
    if (i === null) return;
    tellPoint();
    caption.textContent = words(i);
    putCard(...spot(i, panelIndex));
    const [time, url] = [points.time_s[i], await film(i)];
    if (at === i) reel.show(url, time);
  }

  // Beside the point, on the side where the window has room; fixed, so that no scrolling box cuts it off.
  function putCard(x, y) {
    const corner = field.getBoundingClientRect();
    const [left, top] = [corner.left + x, corner.top + y];
    const room = card.offsetWidth + 14;
    card.style.left = clamp(left + room > innerWidth ? left - room : left + 14, 4, innerWidth - room) + 'px';
    const low = top > innerHeight / 2;
    card.style.top = low ? 'auto' : top + 10 + 'px';
    card.style.bottom = low ? innerHeight - top + 10 + 'px' : 'auto';
  }

  function go(i) {
    const { analysis_id } = points.clips[points.clip[i]];
    if (isMine(i)) onSeek(points.time_s[i]);
    else onOpen({ analysis_id }, points.time_s[i]);
  }

  function listen() {
    if (listening) return;
    listening = true;
    const first = (event) => [shown[event.points[0].pointNumber], event.points[0].curveNumber];
    plot.on('plotly_hover', (event) => point(...first(event)));
    plot.on('plotly_unhover', () => point(null));
    plot.on('plotly_click', (event) => go(first(event)[0]));
    // Only a loop that was drawn: clicks, and the removal of the loop, say "selected" too.
    plot.on('plotly_selected', (event) => {
      if (event?.lassoPoints && event.points?.length) pick(event.points.map((p) => shown[p.pointNumber]));
    });
  }

  field.addEventListener('keydown', (event) => {
    if (!points || !shown.length) return;
    const place = at === null ? shown.findIndex((i) => isMine(i) && points.time_s[i] >= now()) : shown.indexOf(at);
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
    if (step) point(shown[at === null ? Math.max(0, place) : clamp(place + step, 0, shown.length - 1)]);
    else if (event.key === 'Home') point(shown[0]);
    else if (event.key === 'End') point(shown.at(-1));
    else if (event.key === 'Enter' && at !== null) go(at);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  field.addEventListener('blur', () => point(null));

  // The lasso ---------------------------------------------------------------------------------------------------------

  function pick(list) {
    if (!list?.length && !chosen) return;
    chosen = list?.length ? [...new Set(list)] : null;
    tell('lasso', chosen ? chosen.filter(isMine).map((i) => points.time_s[i]) : []);
    if (points && plot.data) {
      const places = chosen && chosen.map((i) => shown.indexOf(i)).filter((place) => place >= 0);
      window.Plotly.restyle(plot, { selectedpoints: [places] });
      window.Plotly.relayout(plot, { selections: [] }); // the drawn loop goes; what it chose stays
    }
    showChosen();
  }

  function showChosen() {
    const runs = points && chosen ? mapRuns(points, chosen) : [];
    const mine = runs.filter((run) => points.clips[run.clip].analysis_id === facts.analysis_id);
    chosenBox.hidden = !runs.length;
    layer.replaceChildren(...mine.map(() => make('span')));
    lassoed = mine;
    lay();
    if (!runs.length) return chosenBox.replaceChildren();
    const clear = make('button', 'rv-btn rv-small', 'Clear');
    clear.type = 'button';
    clear.addEventListener('click', () => pick(null));
    const many = chosen.length === 1 ? '1 snippet chosen' : chosen.length + ' snippets chosen';
    const jumps = runs.map((run) => {
      const name = run.clip === mine[0]?.clip ? '' : points.clips[run.clip].name + ' ';
      const jump = make('button', 'rv-btn rv-small', name + clock(run.from, 1) + ' – ' + clock(run.to, 1));
      jump.type = 'button';
      jump.addEventListener('click', () => go(run.points[0]));
      return jump;
    });
    chosenBox.replaceChildren(make('span', '', many), clear, ...jumps);
  }

  function lay() {
    const share = (time) => clamp((time - view[0]) / (view[1] - view[0]), 0, 1) * 100;
    for (const [i, run] of lassoed.entries()) {
      const [from, to] = [share(run.from), share(run.to)];
      layer.children[i].style.left = from + '%';
      layer.children[i].style.width = Math.max(0, to - from) + '%';
      layer.children[i].hidden = to <= from;
    }
  }

  tools.addEventListener('submit', (event) => event.preventDefault());
  tools.addEventListener('change', (event) => {
    const fresh = event.target.name === 'method' || event.target.name === 'scope';
    if (fresh && (event.target.name === 'method' || !points || needsOther())) load();
    else draw();
  });
  const needsOther = () => (points.clips.length > 1 || points.clips[0].analysis_id !== facts.analysis_id) !== (setting('scope') === 'library'); // prettier-ignore
  wide.addEventListener('click', () => spread(!root.classList.contains('rv-map-wide')));
  new ResizeObserver(() => draw()).observe(field);
  new MutationObserver(() => draw()).observe(document.body, { attributes: true, attributeFilter: ['class'] });
  offer();

  return {
    opened(opened) {
      facts = opened;
      stale = true;
      if (visible()) load();
    },
    closed() {
      facts = points = segment = truth = marks = null;
      pick(null);
      point(null);
      visit++;
      work.hidden = true;
      note.textContent = '';
      offer();
    },
    panel(name) {
      if (name !== 'map') spread(false);
      else if (stale) load();
      else draw();
    },
    moved: here,
    selected(found) {
      if (!found || found === segment) return; // between segments, the last one stays
      segment = found;
      if (setting('scope') === 'segment') draw();
    },
    viewed({ from, to }) {
      view = [from, to];
      lay();
    },
    truth(spans) {
      truth = spans?.length ? spans : null;
      offer();
      if (setting('colouring') === 'truth') draw();
    },
    reviewed(answer) {
      marks = answer.marks;
      offer();
      if (setting('colouring') === 'decision') draw();
    },
  };
}
parts.push(makeMap({ onSeek: transport.seek, onOpen: openClip, now: transport.now }));
