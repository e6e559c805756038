// One time axis for every lane. Plotly draws the lanes; the cursor, the threshold, the segment strip and all pointer
// work lie above it as plain elements, so that playback moves one CSS transform and never redraws.
const STRIP_PX = 20;
const AXIS_PX = 22;
const GAP_PX = 9;
const RIGHT_PX = 14;
const LEVEL_FLOOR_DB = -60;
const MIN_VIEW_S = 0.5;

let plotlyReady = null;
function loadPlotly() {
  plotlyReady ??= new Promise((done, fail) => {
    const script = document.createElement('script');
    script.src = address(props.plotly_js);
    script.onload = () => done(window.Plotly);
    script.onerror = () => { plotlyReady = null; fail(new Error('The drawing library could not be loaded; reload the page.')); };
    document.head.append(script);
  });
  return plotlyReady;
}

function makeTimeline({ onSeek, onThreshold, now }) {
  const plot = find('.rv-plot');
  const lanesBox = find('.rv-lanes');
  const field = find('.rv-field');
  const hit = find('.rv-hit');
  const handle = find('.rv-threshold');
  const readout = find('.rv-readout');
  let curves = null;
  let lanes = [];
  let segments = { segments: [], near_misses: [] };
  let threshold = 0.5;
  let view = [0, 1];
  let scoreName = 'score';

  const gutter = () => parseFloat(getComputedStyle(lanesBox).getPropertyValue('--rv-gutter'));
  const width = () => field.clientWidth;
  const toPx = (time) => ((time - view[0]) / (view[1] - view[0])) * width();
  const toTime = (px) => view[0] + (px / width()) * (view[1] - view[0]);
  const lane = (name) => lanes.find((l) => l.name === name);
  const colour = (name) => getComputedStyle(lanesBox).getPropertyValue('--rv-' + name).trim();

  // Lay the lanes out from the top: each gets `top` and `height` in px.
  function layLanes() {
    const rowPx = clamp(Math.round(112 / curves.classes.length), 11, 16);
    const wanted = [['score', 104], ['classes', rowPx * curves.classes.length], ['saliency', 52]];
    if (curves.level_db) wanted.push(['sound', 26]);
    let top = STRIP_PX + 4;
    lanes = wanted.map(([name, height]) => {
      const made = { name, top, height };
      top += height + GAP_PX;
      return made;
    });
    lanesBox.style.height = top - GAP_PX + 4 + AXIS_PX + 'px';
  }

  function label(text, top, className, hint) {
    const made = make('span', className, text);
    made.style.top = top + 'px';
    if (hint) made.title = hint;
    return made;
  }

  function writeGutter() {
    const labels = [label('segments', STRIP_PX / 2, 'rv-lane')];
    const score = lane('score');
    labels.push(label(scoreName, score.top + score.height / 2, 'rv-lane', 'Solid: the score that is cut at the threshold. Dotted: 1 − P(normal) of the alignment branch.'));
    for (const value of [0, 0.5, 1]) labels.push(label(value.toFixed(1), score.top + score.height * (1 - value), 'rv-tick'));
    const heat = lane('classes');
    curves.classes.forEach((name, i) => {
      const chosen = curves.chosen.includes(i);
      const row = label((chosen ? '• ' : '') + name, heat.top + (i + 0.5) * (heat.height / curves.classes.length), 'rv-row', name + ': similarity of picture and class text (Eq. 1)' + (chosen ? '; among the classes CVKA chose' : ''));
      row.classList.toggle('rv-chosen', chosen);
      labels.push(row);
    });
    const saliency = lane('saliency');
    labels.push(label('video-text saliency', saliency.top + saliency.height / 2 - 7, 'rv-lane'));
    labels.push(label('(projected on audio)', saliency.top + saliency.height / 2 + 7, 'rv-lane rv-dim', 'How strongly the picture matches the chosen class texts, laid on the sound\'s time axis; no sound is in it. Shaded: the windows around its peaks (AFAE). Line at 1: average.'));
    const sound = lane('sound');
    if (sound) labels.push(label('sound level', sound.top + sound.height / 2, 'rv-lane', 'dB re full scale, from ' + LEVEL_FLOOR_DB + ' up'));
    find('.rv-gutter').replaceChildren(...labels);
  }

  // Many boxes are one filled trace.
  function boxes(spans, low, high) {
    const x = [];
    const y = [];
    for (const [from, to] of spans) {
      x.push(from, from, to, to, null);
      y.push(low, high, high, low, null);
    }
    return { x, y };
  }

  const spans = (list) => list.map((s) => [s.start_s, s.end_s]);

  function traces() {
    const n = curves.scores.length;
    const edges = Array.from({ length: n + 1 }, (_, i) => Math.min(i * curves.snippet_s, Math.max(curves.duration_s, (n - 1) * curves.snippet_s)));
    edges[n] = Math.max(curves.duration_s, edges[n - 1]);
    const steps = (values, axis, line) => ({ x: edges, y: [...values, values.at(-1)], yaxis: axis, type: 'scatter', mode: 'lines', line: { shape: 'hv', ...line } });
    const filled = (box, axis, fill, pattern) => ({ ...box, yaxis: axis, type: 'scatter', mode: 'lines', fill: 'toself', fillcolor: fill, line: { width: 0 }, ...(pattern && { fillpattern: pattern }) });
    const top = saliencyTop();
    const low = Math.min(...curves.similarity.map((row) => Math.min(...row)));
    const high = Math.max(...curves.similarity.map((row) => Math.max(...row)));
    const heat = [0, 0.33, 0.66, 1].map((stop, i) => [stop, colour('heat' + i)]);
    const list = [
      filled(boxes(spans(segments.segments), 0, 1.04), 'y', colour('flag-soft')),
      filled(boxes(spans(segments.near_misses), 0, 1.04), 'y', colour('miss-soft'), { shape: '/', fgcolor: colour('miss'), bgcolor: 'rgba(0,0,0,0)', size: 7, solidity: 0.12 }),
      steps(curves.alignment, 'y', { color: colour('axis'), width: 1, dash: 'dot' }),
      steps(curves.scores, 'y', { color: colour('score'), width: 1.8 }),
      { type: 'heatmap', z: curves.similarity, x: edges, yaxis: 'y2', zmin: low, zmax: high > low ? high : low + 1, colorscale: heat, showscale: false },
      filled(boxes(curves.windows_s, 0, top), 'y3', colour('window')),
      steps(curves.saliency, 'y3', { color: colour('axis'), width: 1 }),
      steps(curves.windowed, 'y3', { color: colour('saliency'), width: 1.8 }),
    ];
    if (curves.level_db) list.push({ ...steps(curves.level_db.map((v) => Math.max(v, LEVEL_FLOOR_DB)), 'y4', { width: 0 }), fill: 'tozeroy', fillcolor: colour('level') });
    return list;
  }

  const saliencyTop = () => Math.max(2, 1.08 * Math.max(...curves.saliency, ...curves.windowed));

  function layout() {
    const area = lanesBox.clientHeight - AXIS_PX;
    const axis = (name, range, more) => {
      const at = lane(name);
      return { domain: [clamp(1 - (at.top + at.height) / area, 0, 1), clamp(1 - at.top / area, 0, 1)], range, fixedrange: true, showticklabels: false, zeroline: false, gridcolor: colour('grid'), ...more };
    };
    const made = {
      width: lanesBox.clientWidth, height: lanesBox.clientHeight, showlegend: false, hovermode: false, dragmode: false,
      margin: { l: gutter(), r: RIGHT_PX, t: 0, b: AXIS_PX, pad: 0 },
      paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', font: { color: colour('axis'), size: 11, family: 'system-ui, sans-serif' },
      xaxis: { ...ticks(), range: view, anchor: 'free', position: 0, gridcolor: colour('grid'), zeroline: false, ticks: 'outside', ticklen: 4, tickcolor: colour('grid') },
      yaxis: axis('score', [0, 1.04], { tickvals: [0, 0.5, 1] }),
      yaxis2: axis('classes', [curves.classes.length - 0.5, -0.5], { showgrid: false }),
      yaxis3: axis('saliency', [0, saliencyTop()], { tickvals: [0, 1] }),
    };
    if (lane('sound')) made.yaxis4 = axis('sound', [LEVEL_FLOOR_DB, 0], { tickvals: [LEVEL_FLOOR_DB] });
    return made;
  }

  function ticks() {
    const span = view[1] - view[0];
    const wanted = span / Math.max(2, width() / 90);
    const step = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600].find((s) => s >= wanted) ?? 7200;
    const tickvals = [];
    for (let i = Math.ceil(view[0] / step); i * step <= view[1] + 1e-9; i++) tickvals.push(i * step);
    return { tickmode: 'array', tickvals, ticktext: tickvals.map((t) => clock(t, step < 0.1 ? 2 : step < 1 ? 1 : 0)) };
  }

  async function redraw() {
    if (!curves || !lanesBox.clientWidth) return;
    const plotly = await loadPlotly();
    layLanes();
    writeGutter();
    await plotly.react(plot, traces(), layout(), { staticPlot: true, displayModeBar: false, responsive: false });
    overlay();
  }

  function overlay() {
    const strip = find('.rv-strip');
    const block = (s, className) => {
      const made = make('span', className, s.label);
      const [from, to] = [clamp(toPx(s.start_s), -4, width()), clamp(toPx(s.end_s), 0, width() + 4)];
      made.style.left = from + 'px';
      made.style.width = Math.max(3, to - from) + 'px';
      made.hidden = s.end_s < view[0] || s.start_s > view[1];
      return made;
    };
    strip.replaceChildren(...segments.near_misses.map((s) => block(s, 'rv-block rv-near')), ...segments.segments.map((s) => block(s, 'rv-block')));
    place(now());
    placeThreshold();
  }

  function place(time) {
    const px = toPx(time);
    const cursor = find('.rv-cursor');
    cursor.style.visibility = px < -1 || px > width() + 1 ? 'hidden' : '';
    cursor.style.transform = 'translateX(' + px + 'px)';
  }

  // The cursor, what a screen reader hears, and a zoomed view that turns its page during playback.
  function move(time, playing) {
    place(time);
    hit.setAttribute('aria-valuenow', time.toFixed(2));
    hit.setAttribute('aria-valuetext', clock(time));
    if (playing && zoomed() && (time > view[1] || time < view[0])) setView(time, time + view[1] - view[0]);
  }

  const zoomed = () => view[1] - view[0] < curves.duration_s - 1e-6;

  let drawing = false;
  function setView(from, to) {
    const span = clamp(to - from, Math.min(MIN_VIEW_S, curves.duration_s), curves.duration_s);
    const start = clamp(from, 0, curves.duration_s - span);
    view = [start, start + span];
    overlay();
    if (drawing) return;
    drawing = true;
    requestAnimationFrame(async () => {
      drawing = false;
      const { tickvals, ticktext } = ticks();
      await window.Plotly.relayout(plot, { 'xaxis.range': [...view], 'xaxis.tickvals': tickvals, 'xaxis.ticktext': ticktext });
    });
  }

  function zoom(factor, around = now()) {
    if (!curves) return;
    const centre = around >= view[0] && around <= view[1] ? around : (view[0] + view[1]) / 2;
    setView(centre - (centre - view[0]) * factor, centre + (view[1] - centre) * factor);
  }

  const pan = (share) => { if (curves) setView(view[0] + share * (view[1] - view[0]), view[1] + share * (view[1] - view[0])); };

  function placeThreshold() {
    const score = lane('score');
    handle.style.transform = 'translateY(' + (score.top + score.height * (1 - threshold / 1.04)) + 'px)';
    handle.setAttribute('aria-valuenow', threshold.toFixed(2));
    handle.querySelector('b').textContent = threshold.toFixed(2);
  }

  function setThreshold(value, tell = true) {
    threshold = Math.round(clamp(value, 0, 1) * 100) / 100;
    if (curves) placeThreshold();
    if (tell) onThreshold(threshold);
  }

  function point(event) {
    const px = event.clientX - field.getBoundingClientRect().left;
    return { px, time: clamp(toTime(px), 0, curves.duration_s) };
  }

  function hover(event) {
    if (!curves) return;
    const { px, time } = point(event);
    find('.rv-pointer').style.transform = 'translateX(' + px + 'px)';
    const i = clamp(Math.floor(time / curves.snippet_s), 0, curves.scores.length - 1);
    const probs = curves.probs.map((row, c) => [row[i], curves.classes[c]]).sort((a, b) => b[0] - a[0]);
    const lines = [
      [clock(time), ''], [scoreName, curves.scores[i].toFixed(2)],
      ...probs.slice(0, 2).map(([p, name]) => ['P(' + name + ')', p.toFixed(2)]),
      ['saliency', curves.saliency[i].toFixed(2)],
    ];
    if (curves.level_db) lines.push(['sound', curves.level_db[i].toFixed(0) + ' dB']);
    readout.replaceChildren(...lines.map(([name, value]) => { const row = make('span'); row.append(make('i', '', name), make('b', '', value)); return row; }));
    const left = px + gutter();
    const flip = left + 170 > lanesBox.clientWidth;
    readout.style.transform = 'translateX(' + (flip ? left - 12 : left + 12) + 'px)' + (flip ? ' translateX(-100%)' : '');
    lanesBox.classList.add('rv-hover');
  }

  hit.addEventListener('pointerdown', (event) => {
    if (!curves || event.button !== 0) return;
    hit.setPointerCapture(event.pointerId);
    onSeek(point(event).time);
  });
  hit.addEventListener('pointermove', (event) => {
    hover(event);
    if (curves && hit.hasPointerCapture(event.pointerId)) onSeek(point(event).time);
  });
  hit.addEventListener('pointerleave', () => lanesBox.classList.remove('rv-hover'));
  hit.addEventListener('wheel', (event) => {
    if (!curves) return;
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : 0;
    if (!sideways && event.deltaY > 0 && !zoomed()) return; // nothing to zoom out of: the page scrolls
    event.preventDefault();
    if (sideways) pan(sideways / width());
    else zoom(Math.exp(clamp(event.deltaY, -200, 200) / 400), point(event).time);
  }, { passive: false });

  const thresholdAt = (event) => {
    const score = lane('score');
    return (1 - (event.clientY - field.getBoundingClientRect().top - score.top) / score.height) * 1.04;
  };
  handle.addEventListener('pointerdown', (event) => { handle.setPointerCapture(event.pointerId); handle.focus(); event.preventDefault(); });
  handle.addEventListener('pointermove', (event) => { if (curves && handle.hasPointerCapture(event.pointerId)) setThreshold(thresholdAt(event)); });
  handle.addEventListener('keydown', (event) => {
    const by = { ArrowUp: 0.01, ArrowRight: 0.01, ArrowDown: -0.01, ArrowLeft: -0.01, PageUp: 0.1, PageDown: -0.1 }[event.key];
    const to = { Home: 0, End: 1 }[event.key] ?? (by && threshold + by);
    if (to === undefined) return;
    event.preventDefault();
    setThreshold(to);
  });

  new ResizeObserver(() => redraw()).observe(lanesBox);
  new MutationObserver(() => redraw()).observe(document.body, { attributes: true, attributeFilter: ['class'] });

  return {
    async show(data, name) {
      curves = data;
      scoreName = name;
      view = [0, curves.duration_s];
      segments = { segments: [], near_misses: [] };
      hit.setAttribute('aria-valuemax', curves.duration_s.toFixed(2));
      await redraw();
    },
    clear() { curves = null; },
    async setSegments(answer) {
      segments = answer;
      if (!curves || !plot.data) return;
      overlay();
      const flagged = boxes(spans(answer.segments), 0, 1.04);
      const missed = boxes(spans(answer.near_misses), 0, 1.04);
      await window.Plotly.restyle(plot, { x: [flagged.x, missed.x], y: [flagged.y, missed.y] }, [0, 1]);
    },
    move, zoom, pan, setThreshold, setView,
    fit: () => { if (curves) setView(0, curves.duration_s); },
  };
}
