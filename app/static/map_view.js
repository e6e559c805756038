// What the map of snippets looks like: marks by class, score, truth or decision, as Plotly's traces. No state here.
const MAP_SHAPES = [
  ['circle-open', '○'],
  ['triangle-up', '▲'],
  ['square', '■'],
  ['diamond', '◆'],
  ['triangle-down', '▼'],
  ['x', '✖'],
  ['cross', '✚'],
  ['star', '★'],
  ['triangle-left', '◀'],
  ['triangle-right', '▶'],
  ['pentagon', '⬟'],
  ['hexagon', '⬢'],
  ['circle', '●'],
  ['diamond-tall', '⬧'],
]; // of class 0, 1, ...: Plotly's name, and the sign in the key
const MAP_HUES = 7; // --rv-kind1 ... --rv-kind7
const MAP_TITLE_PX = 20;
const MAP_TITLES = { raw: 'Pictures, before the model', fused: 'Fused, after CMHKF' };
const MAP_STATES = {
  open: { words: 'not decided', shape: 0, hue: 'axis' },
  confirmed: { words: 'confirmed', shape: 1, hue: 'flag' },
  dismissed: { words: 'dismissed', shape: 5, hue: 'kind1' },
  outside: { words: 'no segment', shape: 0, hue: 'grid-strong' },
};

const inSpan = (spans, time) => spans.find((span) => time >= span.start_s && time < span.end_s);

// What each point is, for one way of colouring: { kinds: [kind of each point], key: [[kind, words, hue, shape]] }.
function mapKinds(points, colouring, { truth, marks, mine }) {
  const outside = (i) => !mine[i];
  if (colouring === 'class') {
    const kinds = points.class;
    const hue = (c) => (c ? 'kind' + (1 + ((c - 1) % MAP_HUES)) : 'axis');
    const shape = (c) => (c < MAP_SHAPES.length ? c : 1 + ((c - 1) % (MAP_SHAPES.length - 1)));
    const key = points.classes.map((name, c) => [c, name, hue(c), shape(c)]);
    return { kinds, key: key.filter(([c]) => kinds.includes(c)) };
  }
  if (colouring === 'truth') {
    const kinds = points.time_s.map((time, i) => (outside(i) ? -1 : inSpan(truth, time) ? 1 : 0));
    const key = [
      [0, 'normal', 'axis', 0],
      [1, 'anomalous by ground truth', 'flag', 1],
      [-1, 'another clip', 'grid-strong', 0],
    ];
    return { kinds, key: key.filter(([kind]) => kinds.includes(kind)) };
  }
  const kinds = points.time_s.map((time, i) => (outside(i) ? 'outside' : (inSpan(marks, time)?.state ?? 'outside')));
  const key = Object.entries(MAP_STATES).map(([kind, look]) => [kind, look.words, look.hue, look.shape]);
  return { kinds, key: key.filter(([kind]) => kinds.includes(kind)) };
}

function mapMarker(points, shown, colouring, kinds, colour) {
  if (colouring === 'score') {
    const scores = shown.map((i) => points.score[i]);
    const size = scores.map((score) => 5 + 4 * score); // colour is never alone
    const line = { width: 0.6, color: colour('axis') };
    const scale = [0, 1 / 3, 2 / 3, 1].map((stop, i) => [stop, colour('heat' + i)]);
    return { color: scores, colorscale: scale, cmin: 0, cmax: 1, size, line };
  }
  const looks = new Map(kinds.key.map(([kind, , hue, shape]) => [kind, [colour(hue), MAP_SHAPES[shape][0]]]));
  const of = shown.map((i) => looks.get(kinds.kinds[i]));
  return { color: of.map((look) => look[0]), symbol: of.map((look) => look[1]), size: 7, line: { width: 1 } };
}

// One panel for each kind of embedding; `shown` are the points in view, `chosen` places among them or null.
function mapPlot(points, shown, { colouring, kinds, chosen, colour, width, height }) {
  const names = ['raw', 'fused'].filter((name) => points[name]);
  const stacked = height > width; // panels as square as the room allows
  const gap = stacked ? MAP_TITLE_PX / (height - MAP_TITLE_PX) : 0.02;
  const marker = mapMarker(points, shown, colouring, kinds, colour);
  const axis = {
    showgrid: false, zeroline: false, showticklabels: false, ticks: '', fixedrange: true, mirror: true, showline: true,
    linecolor: colour('line'),
  }; // prettier-ignore
  const layout = {
    width, height, dragmode: 'lasso', hovermode: 'closest', hoverdistance: 12, showlegend: false,
    margin: { l: 1, r: 1, t: MAP_TITLE_PX, b: 1, pad: 0 },
    paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)',
    font: { color: colour('dim'), size: 11, family: 'system-ui, sans-serif' },
    newselection: { line: { color: colour('accent'), width: 1.5, dash: 'dot' } },
    annotations: [],
  }; // prettier-ignore
  const data = names.map((name, panel) => {
    const nth = panel ? '2' : '';
    const part = panel ? [0.5 + gap / 2, 1] : [0, names.length > 1 ? 0.5 - gap / 2 : 1];
    const [x, y] = stacked ? [[0, 1], [1 - part[1], 1 - part[0]]] : [part, [0, 1]]; // prettier-ignore
    layout['xaxis' + nth] = { ...axis, domain: x, anchor: 'y' + nth };
    layout['yaxis' + nth] = { ...axis, domain: y, anchor: 'x' + nth };
    layout.annotations.push({
      text: MAP_TITLES[name], x: x[0], y: y[1], xref: 'paper', yref: 'paper', xanchor: 'left', yanchor: 'bottom',
      showarrow: false,
    }); // prettier-ignore
    return {
      type: 'scatter', mode: 'markers', hoverinfo: 'none', marker, xaxis: 'x' + nth, yaxis: 'y' + nth,
      x: shown.map((i) => points[name].x[i]), y: shown.map((i) => points[name].y[i]),
      selectedpoints: chosen ?? undefined, selected: { marker: { opacity: 1 } },
      unselected: { marker: { opacity: 0.14 } },
    }; // prettier-ignore
  });
  return { data, layout };
}

// Points that follow one another in a clip, as runs: [{ clip, from, to, points }], `from` and `to` in seconds.
function mapRuns(points, chosen) {
  const runs = [];
  for (const i of [...chosen].sort((a, b) => a - b)) {
    const { snippet_s } = points.clips[points.clip[i]];
    const [from, to] = [points.time_s[i] - snippet_s / 2, points.time_s[i] + snippet_s / 2];
    const last = runs.at(-1);
    if (last && last.clip === points.clip[i] && last.points.at(-1) === i - 1) {
      last.to = to;
      last.points.push(i);
    } else runs.push({ clip: points.clip[i], from, to, points: [i] });
  }
  return runs;
}

// The picture of a moment of any clip, from a second video that nobody sees; the newest wish wins.
function makeFilmReel(canvas) {
  const reel = make('video');
  let wanted = null;
  let busy = false;
  reel.muted = true;
  reel.preload = 'auto';

  function draw() {
    const wide = canvas.width;
    canvas.height = Math.round((wide * reel.videoHeight) / Math.max(1, reel.videoWidth));
    canvas.getContext('2d').drawImage(reel, 0, 0, wide, canvas.height);
    canvas.hidden = !reel.videoWidth;
  }
  function next() {
    if (busy || !wanted || reel.readyState < 1) return;
    busy = true;
    reel.currentTime = Math.min(wanted.time, reel.duration - 0.01);
    wanted = null;
  }
  reel.addEventListener('loadedmetadata', next);
  reel.addEventListener('seeked', () => {
    busy = false;
    draw();
    next();
  });
  return {
    show(url, time) {
      if (!url) return;
      if (reel.src !== url) {
        canvas.hidden = true;
        busy = false;
        reel.src = url;
      }
      wanted = { time };
      next();
    },
  };
}
