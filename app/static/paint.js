// Draws the lanes on one canvas. Every picture is drawn anew from what is in view, at a cost that follows the width of
// the screen and not the length of the clip, so that an hour zooms and pans at display rate.
function makePainter(canvas, colour) {
  const pen = canvas.getContext('2d');
  let heat = null; // the class map of the whole clip, one column per snippet, in pieces that a canvas can hold
  let hatch = null;
  let scene = null;
  let ink = {};

  const HEAT_PIECE = 8192;
  const INKS = [
    'axis', 'flag-soft', 'flag', 'grid', 'heat0', 'heat1', 'heat2', 'heat3', 'level', 'miss', 'miss-soft', 'saliency',
    'score', 'sunk', 'text', 'wave', 'window',
  ]; // prettier-ignore

  const x = (time) => ((time - scene.view[0]) / (scene.view[1] - scene.view[0])) * scene.width;

  // Anew for another clip, another size or another theme.
  function prepare(curves, lanes) {
    ink = Object.fromEntries(INKS.map((name) => [name, colour(name)]));
    hatch = makeHatch();
    heat = lanes.classes.folded ? [] : makeHeat(curves, lanes.classes.height);
  }

  function makeHatch() {
    const tile = new OffscreenCanvas(6, 6);
    const tip = tile.getContext('2d');
    tip.strokeStyle = ink.miss;
    tip.lineWidth = 0.8;
    for (const shift of [-6, 0, 6]) {
      tip.moveTo(shift, 6);
      tip.lineTo(shift + 6, 0);
    }
    tip.stroke();
    return pen.createPattern(tile, 'repeat');
  }

  function makeHeat(curves, height) {
    const [low, high] = extent(curves.similarity);
    const ramp = new OffscreenCanvas(256, 1).getContext('2d');
    const shade = ramp.createLinearGradient(0, 0, 256, 0);
    [0, 0.33, 0.66, 1].forEach((stop, i) => shade.addColorStop(stop, ink['heat' + i]));
    ramp.fillStyle = shade;
    ramp.fillRect(0, 0, 256, 1);
    const tints = new Uint32Array(ramp.getImageData(0, 0, 256, 1).data.buffer);
    const rowPx = height / curves.classes.length;
    const pieces = [];
    for (let first = 0; first < curves.scores.length; first += HEAT_PIECE) {
      const width = Math.min(HEAT_PIECE, curves.scores.length - first);
      const piece = new OffscreenCanvas(width, height);
      const image = new ImageData(width, height);
      const pixels = new Uint32Array(image.data.buffer);
      for (let row = 0; row < height; row++) {
        const values = curves.similarity[Math.floor(row / rowPx)];
        for (let i = 0; i < width; i++)
          pixels[row * width + i] = tints[Math.round((255 * (values[first + i] - low)) / (high - low || 1))];
      }
      piece.getContext('2d').putImageData(image, 0, 0);
      pieces.push({ piece, first, width });
    }
    return pieces;
  }

  // The snippets in view, first and last.
  function inView() {
    const { curves, view } = scene;
    const last = curves.scores.length - 1;
    return [
      clamp(Math.floor(view[0] / curves.snippet_s), 0, last),
      clamp(Math.floor(view[1] / curves.snippet_s), 0, last),
    ];
  }
  // The last snippet stands for what follows it.
  const endOf = (i) =>
    i === scene.curves.scores.length - 1
      ? Math.max(scene.curves.duration_s, i * scene.curves.snippet_s)
      : (i + 1) * scene.curves.snippet_s;

  // A stepped line; where many snippets share a pixel, from their least to their greatest.
  function line(values, lane, toShare, { style, width, dash = [] }) {
    const y = (value) => lane.top + lane.height * (1 - clamp(toShare(value), 0, 1));
    const [first, last] = inView();
    const perPx = (last - first + 1) / scene.width;
    pen.beginPath();
    if (perPx <= 1)
      for (let i = first; i <= last; i++) {
        pen.lineTo(x(i * scene.curves.snippet_s), y(values[i]));
        pen.lineTo(x(endOf(i)), y(values[i]));
      }
    else
      for (let i = first; i <= last; ) {
        const px = Math.floor(x(i * scene.curves.snippet_s));
        const begin = y(values[i]);
        let [low, high] = [values[i], values[i]];
        for (; i <= last && Math.floor(x(i * scene.curves.snippet_s)) === px; i++) {
          low = Math.min(low, values[i]);
          high = Math.max(high, values[i]);
        }
        pen.lineTo(px, begin);
        pen.lineTo(px, y(low));
        pen.lineTo(px, y(high));
        pen.lineTo(px, y(values[i - 1]));
      }
    pen.strokeStyle = style;
    pen.lineWidth = width;
    pen.setLineDash(dash);
    pen.stroke();
    pen.setLineDash([]);
  }

  function bands(spans, lane, style, least = 1) {
    pen.fillStyle = style;
    for (const [from, to] of spans) {
      if (to < scene.view[0] || from > scene.view[1]) continue;
      const left = Math.max(-2, x(from));
      pen.fillRect(left, lane.top, Math.max(least, Math.min(scene.width + 2, x(to)) - left), lane.height);
    }
  }

  function rules(lane, shares) {
    pen.fillStyle = ink.grid;
    for (const share of shares) pen.fillRect(0, Math.round(lane.top + lane.height * (1 - share)), scene.width, 1);
  }

  function paintScore(lane) {
    const { curves, segments } = scene;
    const spans = (list) => list.map((s) => [s.start_s, s.end_s]);
    const share = (value) => value / SCORE_TOP;
    rules(lane, [0, share(0.5), share(1)]);
    bands(spans(segments.segments), lane, ink['flag-soft']);
    bands(spans(segments.near_misses), lane, hatch);
    line(curves.alignment, lane, share, { style: ink.axis, width: 1, dash: [1.5, 2.5] });
    line(curves.scores, lane, share, { style: ink.score, width: 1.8 });
  }

  function paintClasses(lane) {
    const { snippet_s } = scene.curves;
    const stepPx = (snippet_s / (scene.view[1] - scene.view[0])) * scene.width;
    pen.imageSmoothingEnabled = stepPx < 1;
    for (const { piece, first, width } of heat) {
      const from = Math.max(0, Math.floor(scene.view[0] / snippet_s) - first);
      const to = Math.min(width, Math.ceil(scene.view[1] / snippet_s) - first);
      if (to <= from) continue;
      const columns = (begin, end, end_s) => {
        const left = x((first + begin) * snippet_s);
        pen.drawImage(piece, begin, 0, end - begin, lane.height, left, lane.top, x(end_s) - left, lane.height);
      };
      columns(from, to, (first + to) * snippet_s);
      if (first + to === scene.curves.scores.length) columns(to - 1, to, endOf(first + to - 1));
    }
  }

  function paintSaliency(lane) {
    const { curves } = scene;
    const top = saliencyTop(curves);
    rules(lane, [0, 1 / top]);
    bands(curves.windows_s, lane, ink.window);
    line(curves.saliency, lane, (value) => value / top, { style: ink.axis, width: 1 });
    line(curves.windowed, lane, (value) => value / top, { style: ink.saliency, width: 1.8 });
    pen.fillStyle = ink.saliency;
    for (const peak of curves.peaks_s) {
      const at = x(peak);
      if (at < -5 || at > scene.width + 5) continue;
      pen.beginPath();
      pen.moveTo(at - 4.5, lane.top);
      pen.lineTo(at + 4.5, lane.top);
      pen.lineTo(at, lane.top + 7);
      pen.fill();
    }
  }

  function paintSound(lane) {
    const { curves, previews } = scene;
    if (previews.mute()) return;
    const middle = lane.top + lane.height / 2;
    rules(lane, [0.5]);
    const outline = previews.outline(scene.view, scene.width);
    if (outline) {
      const scale = lane.height / 2 / Math.max(previews.loudest(), 0.01);
      pen.fillStyle = ink.wave;
      for (let px = 0; px < outline.low.length; px++) {
        const [up, down] = [outline.high[px] * scale, -outline.low[px] * scale];
        pen.fillRect(px, middle - up, 1, Math.max(1, up + down));
      }
    }
    if (!curves.level_db) return; // the preset does not listen
    line(curves.level_db, lane, (level) => 1 - level / LEVEL_FLOOR_DB, { style: ink.level, width: 1.2 });
  }

  function paintFilm(lane) {
    pen.fillStyle = ink.sunk;
    pen.fillRect(0, lane.top, scene.width, lane.height);
    for (const still of scene.previews.strip(scene.view, scene.width, lane.height)) {
      for (let done = 0; done < still.room - 1; done += still.width + 1) {
        const at = still.left + done; // again and again where there is more room than picture
        if (at > scene.width || at + still.width < 0) continue;
        const room = Math.min(still.width, still.room - 1 - done);
        const cut = (room / still.width) * still.source.width; // its middle, where there is less room
        const left = still.source.x + (still.source.width - cut) / 2;
        pen.drawImage(
          still.image, left, still.source.y, cut, still.source.height, at, lane.top, room, lane.height,
        ); // prettier-ignore
      }
    }
  }

  function paintAxis() {
    const bottom = scene.height - AXIS_PX;
    const { tickvals, ticktext } = timeTicks(scene.view, scene.width);
    pen.font = '11px system-ui, sans-serif';
    pen.textAlign = 'center';
    pen.textBaseline = 'top';
    tickvals.forEach((time, i) => {
      const at = Math.round(x(time));
      pen.fillStyle = ink.grid;
      pen.fillRect(at, bottom, 1, 4);
      pen.fillStyle = ink.axis;
      const half = pen.measureText(ticktext[i]).width / 2;
      pen.fillText(ticktext[i], Math.min(at, scene.width + RIGHT_PX - half - 4), bottom + 6);
    });
    return tickvals;
  }

  // `now`: {curves, lanes, view, segments, previews, width, height, left}; lengths in CSS px, `left` of the time axis.
  function draw(now) {
    scene = now;
    const ratio = window.devicePixelRatio || 1;
    const [wide, high] = [now.left + now.width + RIGHT_PX, now.height];
    if (canvas.width !== Math.round(wide * ratio) || canvas.height !== Math.round(high * ratio)) {
      canvas.width = Math.round(wide * ratio);
      canvas.height = Math.round(high * ratio);
      Object.assign(canvas.style, { width: wide + 'px', height: high + 'px' });
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, wide, high);
    pen.translate(now.left, 0);
    const ticks = paintAxis();
    pen.save();
    pen.beginPath();
    pen.rect(0, 0, now.width, high);
    pen.clip();
    pen.fillStyle = ink.grid;
    for (const time of ticks) pen.fillRect(Math.round(x(time)), now.lanes.score.top, 1, high - AXIS_PX - now.lanes.score.top);
    const painters = { film: paintFilm, score: paintScore, classes: paintClasses, saliency: paintSaliency, sound: paintSound };
    for (const [name, lane] of Object.entries(now.lanes)) if (!lane.folded) painters[name](lane);
    pen.restore();
  }

  return { prepare, draw };
}
