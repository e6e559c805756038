// One time axis for every lane. A canvas holds the lanes; the cursor, the threshold, the segment strip and all pointer
// work lie above it as plain elements, so that playback moves one CSS transform and never redraws.
const MIN_VIEW_S = 0.5;
const [STILL_PX, SMALL_STILL_PX] = [126, 78]; // height of the picture at the pointer

function makeTimeline({ onSeek, onThreshold, now, isShown }) {
  const lanesBox = find('.rv-lanes');
  const field = find('.rv-field');
  const hit = find('.rv-hit');
  const handle = find('.rv-threshold');
  const strip = find('.rv-strip'); // the reviewer's own segments
  const readout = find('.rv-readout');
  let curves = null;
  let lanes = {};
  const nothing = { segments: [], near_misses: [], marks: [], misses: [], others: [] };
  let segments = nothing;
  let threshold = 0.5;
  let view = [0, 1];
  let scoreName = 'score';
  let fieldPx = 0;
  let laidMute = false; // whether the lanes were laid out for a clip without a sound track
  const folds = makeFolds(() => redraw());
  const previews = makePreviews({ onReady: () => (previews.mute() === laidMute ? repaint() : redraw()) });

  const gutter = () => parseFloat(getComputedStyle(lanesBox).getPropertyValue('--rv-gutter'));
  const width = () => fieldPx; // measured when it changes: asking the page at every frame costs a layout
  const toPx = (time) => ((time - view[0]) / (view[1] - view[0])) * width();
  const toTime = (px) => view[0] + (px / width()) * (view[1] - view[0]);
  const colour = (name) =>
    getComputedStyle(lanesBox)
      .getPropertyValue('--rv-' + name)
      .trim();
  const painter = makePainter(find('.rv-plot canvas'), colour);

  function redraw() {
    if (!curves || !lanesBox.clientWidth) return;
    laidMute = previews.mute();
    const laid = layLanes(curves, folds.folded, laidMute, OTHER_PX * otherRows(segments).length);
    lanes = laid.lanes;
    lanesBox.style.height = laid.height + 'px';
    fieldPx = field.clientWidth;
    writeGutter(curves, lanes, scoreName, otherNames(segments));
    folds.bind();
    writeLegend(curves, scoreName);
    painter.prepare(curves, lanes);
    overlay();
    repaint();
  }

  let painting = false;
  function repaint() {
    if (painting || !curves) return;
    painting = true;
    requestAnimationFrame(() => {
      painting = false;
      if (!curves || !fieldPx) return;
      const height = lanesBox.clientHeight;
      painter.draw({ curves, lanes, view, segments, previews, width: fieldPx, height, left: gutter() });
      writeWords(previews.words(), lanes);
    });
  }

  let blocks = []; // of the strips: made with each cut, moved with the view
  function makeBlocks() {
    blocks = writeStrips(segments);
    dim();
  }
  // What the table does not list stands back.
  function dim() {
    for (const { made, segment } of blocks)
      made.classList.toggle('rv-hushed', made.parentElement === strip && !isShown(segment));
  }

  function overlay() {
    [field.dataset.from, field.dataset.to] = view;
    for (const { made, segment } of blocks) {
      made.hidden = segment.end_s < view[0] || segment.start_s > view[1];
      if (made.hidden) continue;
      const [from, to] = [clamp(toPx(segment.start_s), -4, width()), clamp(toPx(segment.end_s), 0, width() + 4)];
      made.style.left = from + 'px';
      made.style.width = Math.max(3, to - from) + 'px';
      made.classList.toggle('rv-slim', to - from < 40); // a cut-off letter says nothing
    }
    place(now());
    placeThreshold();
    tell('viewed', { from: view[0], to: view[1], toPx, lanes, width: width() });
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

  const zoomed = () => curves && view[1] - view[0] < curves.duration_s - 1e-6;

  function setView(from, to) {
    if (!curves) return;
    const span = clamp(to - from, Math.min(MIN_VIEW_S, curves.duration_s), curves.duration_s);
    const start = clamp(from, 0, curves.duration_s - span);
    view = [start, start + span];
    overlay();
    repaint();
  }

  function zoom(factor, around = now()) {
    if (!curves) return;
    const centre = around >= view[0] && around <= view[1] ? around : (view[0] + view[1]) / 2;
    setView(centre - (centre - view[0]) * factor, centre + (view[1] - centre) * factor);
  }

  const pan = (share) => {
    if (curves) setView(view[0] + share * (view[1] - view[0]), view[1] + share * (view[1] - view[0]));
  };

  function placeThreshold() {
    const y = lanes.score.top + lanes.score.height * (1 - threshold / SCORE_TOP);
    handle.style.transform = 'translateY(' + y + 'px)';
    handle.setAttribute('aria-valuenow', threshold.toFixed(2));
    handle.querySelector('b').textContent = threshold.toFixed(2);
  }

  function setThreshold(value, heard = true) {
    threshold = Math.round(clamp(value, 0, 1) * 100) / 100;
    if (curves) placeThreshold();
    if (heard) onThreshold(threshold);
  }

  function point(event) {
    const px = event.clientX - field.getBoundingClientRect().left;
    return { px, time: clamp(toTime(px), 0, curves.duration_s) };
  }

  function hover(event) {
    if (!curves) return;
    const { px, time } = point(event);
    find('.rv-pointer').style.transform = 'translateX(' + px + 'px)';
    writeReadout(curves, time, scoreName, previews.frameAt(time, width() < 500 ? SMALL_STILL_PX : STILL_PX));
    const left = px + gutter();
    const flip = left + readout.offsetWidth + 16 > lanesBox.clientWidth;
    readout.style.transform =
      'translateX(' + (flip ? left - 12 : left + 12) + 'px)' + (flip ? ' translateX(-100%)' : '');
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
  field.addEventListener(
    'wheel',
    (event) => {
      if (!curves) return;
      const sideways = event.shiftKey
        ? event.deltaY || event.deltaX
        : Math.abs(event.deltaX) > Math.abs(event.deltaY)
          ? event.deltaX
          : 0;
      if (!sideways && event.deltaY > 0 && !zoomed()) return; // nothing to zoom out of: the page scrolls
      event.preventDefault();
      if (sideways) pan(sideways / width());
      else zoom(Math.exp(clamp(event.deltaY, -200, 200) / 400), point(event).time);
    },
    { passive: false },
  );

  const thresholdAt = (event) => {
    const y = event.clientY - field.getBoundingClientRect().top - lanes.score.top;
    return (1 - y / lanes.score.height) * SCORE_TOP;
  };
  handle.addEventListener('pointerdown', (event) => {
    handle.setPointerCapture(event.pointerId);
    handle.classList.add('rv-held');
    handle.focus();
    event.preventDefault();
  });
  handle.addEventListener('pointermove', (event) => {
    if (curves && handle.hasPointerCapture(event.pointerId)) setThreshold(thresholdAt(event));
  });
  handle.addEventListener('lostpointercapture', () => handle.classList.remove('rv-held'));
  handle.addEventListener('keydown', (event) => {
    const by = { ArrowUp: 0.01, ArrowRight: 0.01, ArrowDown: -0.01, ArrowLeft: -0.01, PageUp: 0.1, PageDown: -0.1 }[
      event.key
    ];
    const to = { Home: 0, End: 1 }[event.key] ?? (by && threshold + by);
    if (to === undefined) return;
    event.preventDefault();
    setThreshold(to);
  });

  // The width alone: the height is ours, and drawing anew for it would take the focus from the name that was clicked.
  new ResizeObserver(() => {
    if (field.clientWidth !== fieldPx) redraw();
  }).observe(lanesBox);
  new MutationObserver(() => redraw()).observe(document.body, { attributes: true, attributeFilter: ['class'] });

  return {
    show(data, name) {
      curves = data;
      scoreName = name;
      view = [0, curves.duration_s];
      segments = nothing;
      makeBlocks();
      hit.setAttribute('aria-valuemax', curves.duration_s.toFixed(2));
      redraw();
    },
    clear() {
      curves = null;
    },
    setSegments(answer) {
      const names = (review) => otherRows(review).map((other) => other.reviewer).join(); // prettier-ignore
      const sameRows = names(answer) === names(segments);
      segments = answer;
      if (!curves) return;
      const said = find('.rv-count').textContent;
      handle.querySelector('small').textContent = said;
      handle.setAttribute('aria-valuetext', threshold.toFixed(2) + ': ' + said);
      makeBlocks();
      if (!sameRows) return redraw();
      overlay();
      repaint();
    },
    previews,
    dim,
    view: () => view,
    move,
    zoom,
    pan,
    setThreshold,
    setView,
    fit: () => {
      if (curves) setView(0, curves.duration_s);
    },
  };
}
