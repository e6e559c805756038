// Draws the lanes on one canvas. Everything is drawn anew from what is in view, at a cost that follows the width of the
// screen and not the length of the clip, so that an hour zooms and pans at display rate.
import { onlyAudio } from '../lib/unseen.js';
import { growingLine, paintGrowth } from './growth.js';
import { paintHeard } from './heard.js';
import { makeHeat, paintHeat } from './heat.js';
import { AXIS_PX, heatAlpha, LEVEL_FLOOR_DB, RIGHT_PX, saliencyTop, SCORE_TOP, snippetAt, timeTicks } from './lanes.js';
import { makePen } from './pen.js';

const INKS = [
  'axis', 'confirmed', 'dim', 'flag-soft', 'flag', 'grid', 'heat0', 'heat1', 'heat2', 'heat3', 'level', 'line', 'miss',
  'miss-soft', 'saliency', 'score', 'sunk', 'text', 'unseen', 'wave', 'window',
]; // prettier-ignore

function triangle(pen, at, top) {
  pen.beginPath();
  pen.moveTo(at - 4.5, top);
  pen.lineTo(at + 4.5, top);
  pen.lineTo(at, top + 7);
  pen.fill();
}

export function makePainter(canvas, colour) {
  const tools = makePen(canvas);
  const { pen, x, line, bands, rules } = tools;
  let heat = [];
  let most = 2; // of the saliency
  let hatches = {};
  let scene = null;
  let ink = {};

  // Anew for another clip, another size or another theme.
  function prepare(curves, lanes) {
    ink = Object.fromEntries(INKS.map((name) => [name, colour(name)]));
    tools.dip(ink);
    hatches = {
      near: tools.hatch(ink.miss, 0.8, 6),
      dismissed: tools.hatch(ink.line, 2, 6),
      unseen: tools.hatch(ink.unseen, 2, 10),
    };
    most = saliencyTop(curves);
    heat = lanes.classes.folded ? [] : makeHeat(curves, ink);
  }

  const curve = (...drawn) => growingLine(scene.curves, line, ...drawn);

  function paintScore(lane) {
    const { curves, segments } = scene;
    const spans = (list) => list.map((s) => [s.start_s, s.end_s]);
    const share = (value) => value / SCORE_TOP;
    rules(lane, [0, share(0.5), share(1)]);
    bands(spans(segments.segments), lane, ink['flag-soft']);
    bands(spans(segments.near_misses), lane, hatches.near);
    line(curves.alignment, lane, share, { style: ink.axis, width: 1, dash: [1.5, 2.5] });
    curve(curves.scores, lane, share, { style: ink.score, width: 1.8 });
  }

  function paintSaliency(lane) {
    const { curves } = scene;
    rules(lane, [0, 1 / most]);
    bands(curves.windows_s, lane, ink.window);
    const share = (value) => Math.min(1, value / most);
    line(curves.saliency, lane, share, { style: ink.axis, width: 1 });
    curve(curves.windowed, lane, share, { style: ink.saliency, width: 1.8 });
    pen.fillStyle = ink.saliency;
    for (const peak of curves.peaks_s) {
      const at = x(peak);
      if (at < -5 || at > scene.width + 5) continue;
      pen.globalAlpha = heatAlpha(curves, snippetAt(curves, peak));
      triangle(pen, at, lane.top);
    }
    pen.globalAlpha = 1;
  }

  function paintAudio(lane) {
    const { curves, previews } = scene;
    if (previews.mute()) return;
    const middle = lane.top + lane.height / 2;
    rules(lane, [0.5]);
    const outline = previews.outline(scene.view, scene.width);
    if (outline) {
      const scale = lane.height / 2 / Math.max(outline.loudest, 0.01);
      pen.fillStyle = ink.wave;
      for (let px = 0; px < outline.low.length; px++) {
        const [up, down] = [outline.high[px] * scale, -outline.low[px] * scale];
        pen.fillRect(px, middle - up, 1, Math.max(1, up + down));
      }
    }
    if (!curves.level_db) return; // the preset does not listen
    line(curves.level_db, lane, (value) => 1 - value / LEVEL_FLOOR_DB, { style: ink.level, width: 1.2 });
  }

  function paintFilm(lane) {
    pen.fillStyle = ink.sunk;
    pen.fillRect(0, lane.top, scene.width, lane.height);
    for (const still of scene.previews.strip(scene.view, scene.width, lane.height)) {
      // Again and again where there is more room than frame, each as wide as the others: no slivers.
      const times = Math.max(1, Math.round(still.room / (still.width + 1)));
      const each = still.room / times;
      const { source } = still;
      for (let i = 0; i < times; i++) {
        const at = still.left + i * each;
        if (at > Math.min(scene.width, x(scene.curves.duration_s)) || at + each < 0) continue;
        const [wide, high] = [Math.min(1, each / still.width), Math.min(1, still.width / each)]; // its middle fills the room
        const [w, h] = [wide * source.width, high * source.height];
        const [left, top] = [source.x + (source.width - w) / 2, source.y + (source.height - h) / 2];
        pen.drawImage(still.image, left, top, w, h, at, lane.top, each - 1, lane.height);
      }
    }
  }

  // Over all lanes, or that of the audio: what is drawn there, if anything, was not seen or not heard.
  function paintUnseen() {
    const { score, sound } = scene.lanes;
    const top = Math.min(...Object.values(scene.lanes).map((lane) => lane.top));
    const all = { top, height: scene.height - AXIS_PX - top };
    for (const span of scene.curves.unseen) {
      const audio = onlyAudio(span);
      bands([span], audio ? sound : all, hatches.unseen, 2);
      tools.plate(audio ? 'not heard' : 'not seen', span, audio ? sound.top + 2 : score.top + 4);
    }
  }

  function paintAxis(ticks) {
    const bottom = scene.height - AXIS_PX;
    pen.font = '11px system-ui, sans-serif';
    pen.textAlign = 'center';
    pen.textBaseline = 'top';
    for (const { time, text } of ticks) {
      const at = Math.round(x(time));
      pen.fillStyle = ink.grid;
      pen.fillRect(at, bottom, 1, 4);
      pen.fillStyle = ink.axis;
      const half = pen.measureText(text).width / 2;
      pen.fillText(text, Math.min(at, scene.width + RIGHT_PX - half - 4), bottom + 6);
    }
  }

  const paintClasses = (lane) => paintHeat(heat, lane, scene, tools);
  const painters = {
    film: paintFilm,
    score: paintScore,
    classes: paintClasses,
    saliency: paintSaliency,
    sound: paintAudio,
    heard: (lane) => paintHeard(lane, scene, tools, ink.level),
  };

  function draw(now) {
    scene = now;
    tools.begin(now);
    const ticks = timeTicks(now.view, now.width);
    paintAxis(ticks);
    pen.save();
    pen.beginPath();
    pen.rect(0, 0, now.width, now.height);
    pen.clip();
    pen.fillStyle = ink.grid;
    const { top } = now.lanes.score;
    for (const { time } of ticks) pen.fillRect(Math.round(x(time)), top, 1, now.height - AXIS_PX - top);
    now.strips.paint(pen, now.width, ink, hatches);
    for (const [name, lane] of Object.entries(now.lanes)) if (!lane.folded) painters[name](lane);
    paintUnseen();
    if (now.curves.growing) paintGrowth(now, tools, ink.axis);
    pen.restore();
  }

  return { prepare, draw };
}
