// The whole of a long clip in a thin strip: its score, its segments, and the part in view as a window to move.
const MINIMAP_FROM_S = 300;

function makeMinimap(timeline) {
  const box = find('.rv-mini');
  const pane = find('.rv-pane');
  const canvas = box.querySelector('canvas');
  let curves = null;
  let flagged = [];
  let held = null; // where in the window the pointer took hold, in seconds after its beginning

  const width = () => box.clientWidth;
  const colour = (name) => getComputedStyle(box).getPropertyValue('--rv-' + name);

  let drawing = false;
  function draw() {
    if (drawing) return;
    drawing = true;
    requestAnimationFrame(() => {
      drawing = false;
      paint();
    });
  }

  function paint() {
    if (!curves || box.hidden || !width()) return;
    const ratio = window.devicePixelRatio || 1;
    const [wide, high] = [width(), box.clientHeight];
    canvas.width = wide * ratio;
    canvas.height = high * ratio;
    const pen = canvas.getContext('2d');
    pen.scale(ratio, ratio);
    const px = (time) => (time / curves.duration_s) * wide;
    pen.fillStyle = colour('flag-soft');
    for (const s of flagged) pen.fillRect(px(s.start_s), 0, Math.max(1, px(s.end_s) - px(s.start_s)), high);
    pen.fillStyle = colour('score');
    const n = curves.scores.length;
    for (let column = 0; column < wide; column++) {
      let top = 0;
      const end = Math.max(Math.floor(((column + 1) * n) / wide), Math.floor((column * n) / wide) + 1);
      for (let i = Math.floor((column * n) / wide); i < end; i++) top = Math.max(top, curves.scores[i]);
      pen.fillRect(column, high - top * (high - 2), 1, top * (high - 2));
    }
  }

  function viewed({ from, to }) {
    if (!curves) return;
    pane.style.left = (100 * from) / curves.duration_s + '%';
    pane.style.width = (100 * (to - from)) / curves.duration_s + '%';
    pane.setAttribute('aria-valuenow', from.toFixed(1));
    pane.setAttribute('aria-valuetext', clock(from, 0) + ' to ' + clock(to, 0));
  }

  const timeOf = (event) => ((event.clientX - box.getBoundingClientRect().left) / width()) * curves.duration_s;
  function hold(event) {
    const [from, to] = timeline.view();
    timeline.setView(timeOf(event) - held, timeOf(event) - held + to - from);
  }
  box.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    const [from, to] = timeline.view();
    const time = timeOf(event);
    held = time >= from && time <= to ? time - from : (to - from) / 2;
    box.setPointerCapture(event.pointerId);
    hold(event);
  });
  box.addEventListener('pointermove', (event) => {
    if (box.hasPointerCapture(event.pointerId)) hold(event);
  });
  box.addEventListener(
    'wheel',
    (event) => {
      event.preventDefault();
      timeline.zoom(Math.exp(clamp(event.deltaY, -200, 200) / 400), timeOf(event));
    },
    { passive: false },
  );
  pane.addEventListener('keydown', (event) => {
    const pan = { ArrowLeft: -0.1, ArrowRight: 0.1, PageUp: -1, PageDown: 1 }[event.key];
    const to = { Home: 0, End: curves.duration_s }[event.key];
    if (pan) timeline.pan(pan);
    else if (to !== undefined) timeline.setView(to, to + timeline.view()[1] - timeline.view()[0]);
    else return;
    event.preventDefault();
  });
  new ResizeObserver(draw).observe(box);
  new MutationObserver(draw).observe(document.body, { attributes: true, attributeFilter: ['class'] });

  return {
    opened(facts, data) {
      curves = data;
      flagged = [];
      box.hidden = data.duration_s < MINIMAP_FROM_S;
      pane.setAttribute('aria-valuemax', data.duration_s.toFixed(1));
      const [from, to] = timeline.view();
      viewed({ from, to });
      draw();
    },
    closed() {
      curves = null;
      box.hidden = true;
    },
    cut(answer) {
      flagged = answer.segments;
      draw();
    },
    moved(time) {
      if (curves) find('.rv-minicursor').style.transform = 'translateX(' + (time / curves.duration_s) * width() + 'px)';
    },
    viewed,
  };
}
