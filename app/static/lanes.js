// What the lanes of the timeline are and where each lies. No state here.
const STRIP_PX = 20;
const AXIS_PX = 22;
const GAP_PX = 9;
const FOLDED_PX = 13;
const RIGHT_PX = 14;
const LOW_SCREEN_PX = 940; // below it the lanes leave more room to the video
const LEVEL_FLOOR_DB = -60;
const SCORE_TOP = 1.04; // a score of 1 stays clear of the lane's edge

// Each lane's `top` and `height` in px, from the top of the timeline; a folded one leaves only its name.
function layLanes(curves, folded, mute, extraPx = 0) {
  const low = window.innerHeight < LOW_SCREEN_PX;
  const rowPx = clamp(Math.round((low ? 77 : 104) / curves.classes.length), 11, 15);
  const heights = {
    film: low ? 30 : 40,
    score: low ? 80 : 100,
    classes: rowPx * curves.classes.length,
    saliency: low ? 36 : 44,
    sound: mute ? 18 : low ? 32 : 40,
  };
  let top = STRIP_PX + 5 + extraPx;
  const lanes = {};
  for (const [name, full] of Object.entries(heights)) {
    const height = folded.has(name) ? FOLDED_PX : full;
    lanes[name] = { top, height, folded: folded.has(name) };
    top += height + (folded.has(name) ? 4 : GAP_PX);
  }
  return { lanes, height: top - GAP_PX + 5 + AXIS_PX };
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
