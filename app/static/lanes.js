// What the lanes of the timeline are: where each lies, and its curves as Plotly's traces and layout. No state here.
const STRIP_PX = 20;
const AXIS_PX = 22;
const GAP_PX = 9;
const RIGHT_PX = 14;
const LEVEL_FLOOR_DB = -60;
const SCORE_TOP = 1.04; // a score of 1 stays clear of the lane's edge
const FLAG_TRACES = [0, 1]; // flagged and near misses: the only traces that change with the threshold

// Each lane's `top` and `height` in px, from the top of the timeline.
function layLanes(curves, extraPx = 0) {
  const rowPx = clamp(Math.round(112 / curves.classes.length), 11, 16);
  const heights = { score: 104, classes: rowPx * curves.classes.length, saliency: 52 };
  if (curves.level_db) heights.sound = 26;
  let top = STRIP_PX + 4 + extraPx;
  const lanes = {};
  for (const [name, height] of Object.entries(heights)) {
    lanes[name] = { top, height };
    top += height + GAP_PX;
  }
  return { lanes, height: top - GAP_PX + 4 + AXIS_PX };
}

// Least and greatest of many rows; not by spreading: a day of video has more snippets than a call may have arguments.
function extent(rows) {
  let [low, high] = [Infinity, -Infinity];
  for (const row of rows)
    for (const value of row) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  return [low, high];
}

const saliencyTop = (curves) => Math.max(2, 1.08 * extent([curves.saliency, curves.windowed])[1]);

// Many boxes are one filled trace.
function boxes(spans, high) {
  const x = [];
  const y = [];
  for (const [from, to] of spans) {
    x.push(from, from, to, to, null);
    y.push(0, high, high, 0, null);
  }
  return { x, y };
}

const segmentBoxes = (segments) =>
  boxes(
    segments.map((s) => [s.start_s, s.end_s]),
    SCORE_TOP,
  );

function snippetEdges(curves) {
  const n = curves.scores.length;
  const edges = Array.from({ length: n }, (_, i) => i * curves.snippet_s);
  return [...edges, Math.max(curves.duration_s, edges[n - 1])]; // the last snippet stands for what follows it
}

function makeTraces(curves, segments, colour) {
  const edges = snippetEdges(curves);
  const line = { type: 'scatter', mode: 'lines' };
  const steps = (values, yaxis, style) => ({
    ...line,
    x: edges,
    y: [...values, values.at(-1)],
    yaxis,
    line: { shape: 'hv', ...style },
  });
  const filled = (box, yaxis, fillcolor) => ({ ...line, ...box, yaxis, fill: 'toself', fillcolor, line: { width: 0 } });
  const [low, high] = extent(curves.similarity);
  const list = [
    filled(segmentBoxes(segments.segments), 'y', colour('flag-soft')),
    {
      ...filled(segmentBoxes(segments.near_misses), 'y', colour('miss-soft')),
      fillpattern: { shape: '/', fgcolor: colour('miss'), bgcolor: 'rgba(0,0,0,0)', size: 7, solidity: 0.12 },
    },
    steps(curves.alignment, 'y', { color: colour('axis'), width: 1, dash: 'dot' }),
    steps(curves.scores, 'y', { color: colour('score'), width: 1.8 }),
    {
      type: 'heatmap',
      z: curves.similarity,
      x: edges,
      yaxis: 'y2',
      zmin: low,
      zmax: high > low ? high : low + 1,
      showscale: false,
      colorscale: [0, 0.33, 0.66, 1].map((stop, i) => [stop, colour('heat' + i)]),
    },
    filled(boxes(curves.windows_s, saliencyTop(curves)), 'y3', colour('window')),
    steps(curves.saliency, 'y3', { color: colour('axis'), width: 1 }),
    steps(curves.windowed, 'y3', { color: colour('saliency'), width: 1.8 }),
  ];
  if (curves.level_db) {
    const above = curves.level_db.map((level) => Math.max(level - LEVEL_FLOOR_DB, 0));
    list.push({ ...steps(above, 'y4', { width: 0 }), fill: 'tozeroy', fillcolor: colour('level') });
  }
  return list;
}

function makeLayout(curves, lanes, { width, height, gutter, view, colour }) {
  const area = height - AXIS_PX;
  const axis = (lane, range, more) => ({
    domain: [clamp(1 - (lane.top + lane.height) / area, 0, 1), clamp(1 - lane.top / area, 0, 1)],
    range,
    fixedrange: true,
    showticklabels: false,
    ticks: '',
    zeroline: false,
    gridcolor: colour('grid'),
    ...more,
  });
  const made = {
    width,
    height,
    showlegend: false,
    hovermode: false,
    dragmode: false,
    margin: { l: gutter, r: RIGHT_PX, t: 0, b: AXIS_PX, pad: 0 },
    paper_bgcolor: 'rgba(0,0,0,0)',
    plot_bgcolor: 'rgba(0,0,0,0)',
    font: { color: colour('axis'), size: 11, family: 'system-ui, sans-serif' },
    xaxis: {
      ...timeTicks(view, width - gutter - RIGHT_PX),
      range: [...view],
      anchor: 'free',
      position: 0,
      gridcolor: colour('grid'),
      zeroline: false,
      tickmode: 'array',
      ticks: 'outside',
      ticklen: 4,
      tickcolor: colour('grid'),
    },
    yaxis: axis(lanes.score, [0, SCORE_TOP], { tickvals: [0, 0.5, 1] }),
    yaxis2: axis(lanes.classes, [curves.classes.length - 0.5, -0.5], { showgrid: false }),
    yaxis3: axis(lanes.saliency, [0, saliencyTop(curves)], { tickvals: [0, 1] }),
  };
  if (lanes.sound) made.yaxis4 = axis(lanes.sound, [0, -LEVEL_FLOOR_DB], { tickvals: [0] });
  return made;
}

// Round times, about 90 px apart.
function timeTicks([from, to], width) {
  const wanted = (to - from) / Math.max(2, width / 90);
  const step =
    [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600].find((s) => s >= wanted) ?? 7200;
  const tickvals = [];
  for (let i = Math.ceil(from / step); i * step <= to + 1e-9; i++) tickvals.push(i * step);
  return { tickvals, ticktext: tickvals.map((t) => clock(t, step < 0.1 ? 2 : step < 1 ? 1 : 0)) };
}

let plotlyReady = null;
function loadPlotly() {
  // Gradio's <base href="./"> changes no address, but makes Plotly tie its clip paths and patterns to the address of
  // the moment, which the page then rewrites as the user moves: they would be lost.
  document.querySelector('base')?.remove();
  plotlyReady ??= new Promise((done, fail) => {
    const script = document.createElement('script');
    script.src = address(props.plotly_js);
    script.onload = () => done(window.Plotly);
    script.onerror = () => {
      plotlyReady = null;
      fail(new Error('The drawing library could not be loaded; reload the page.'));
    };
    document.head.append(script);
  });
  return plotlyReady;
}
