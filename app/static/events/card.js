// An event as a card: its frame, its small curve, and what is known of it.
import { make, svg } from '../lib/dom.js';
import { clock, moment } from '../lib/format.js';
import { address } from '../lib/host.js';
import { STATES } from '../review/segment_order.js';
import { state } from '../state.js';

const FRAME_MS = 220;

function smallCurve(event) {
  const values = event.curve.match(/../g).map((byte) => parseInt(byte, 16) / 255); // NaN after the clip's end
  const [from, to] = event.curve_s;
  const share = (time) => (100 * (time - from)) / (to - from);
  const drawing = svg('svg', { viewBox: '0 0 100 24', preserveAspectRatio: 'none', 'aria-hidden': 'true' });
  const [start, end] = [share(event.start_s), share(event.end_s)];
  drawing.append(
    svg('rect', { class: 'rv-ev-span', x: start, y: 0, width: Math.max(1, end - start), height: 24 }),
    svg('path', { class: 'rv-ev-line', d: 'M0 ' + 24 * (1 - state.cut.threshold) + 'H100' }),
    svg('polyline', {
      class: 'rv-ev-scores',
      points: values
        .flatMap((value, i) => (value >= 0 ? ((i + 0.5) * 100) / values.length + ',' + (23 - 22 * value) : []))
        .join(' '),
    }),
  );
  return drawing;
}

export function makeCard() {
  const card = make('div', 'rv-ev-card');
  card.setAttribute('role', 'option');
  const screen = make('span', 'rv-ev-screen');
  let film = null; // its strip
  let playing = null;

  function place(frame) {
    film.style.transform = 'translateX(' + -(100 * frame) / film.frames + '%)';
  }
  function play() {
    if (!film || playing || matchMedia('(prefers-reduced-motion: reduce)').matches) return;
    let frame = 0;
    playing = setInterval(() => place(frame++ % film.frames), FRAME_MS);
  }
  function rest() {
    clearInterval(playing);
    playing = null;
    if (film) place(film.peak);
  }
  for (const kind of ['mouseenter', 'focus']) card.addEventListener(kind, play);
  for (const kind of ['mouseleave', 'blur']) card.addEventListener(kind, rest);

  function show(event, { index, total, chosen, pending }) {
    const told = JSON.stringify([event, index, total, chosen, pending, state.cut.threshold]);
    if (card.told === told) return;
    Object.assign(card, { told, key: event.key, event, id: 'rv-ev-' + index });
    card.dataset.state = event.state;
    card.classList.toggle('rv-ev-pending', pending);
    card.ariaSelected = String(chosen);
    card.ariaPosInSet = index + 1;
    card.ariaSetSize = total;
    const [sign, word] = STATES[event.state];
    const head = make('span', 'rv-ev-head');
    const mark = make('b', 'rv-ev-state', sign);
    mark.title = word;
    mark.append(make('span', 'rv-off', word));
    const label = event.called + (event.label !== event.model_label && event.model_label ? ' *' : '');
    const score = event.score?.toFixed(2) ?? (event.model_label ? '–' : 'by hand');
    head.append(mark, make('span', 'rv-ev-score', score), make('span', 'rv-ev-label', label));
    if (event.near_miss) head.insertBefore(make('span', 'rv-ev-near', 'near miss'), head.lastChild);
    const about = make('span', 'rv-ev-about', event.camera || event.name);
    const begun = event.recorded ? moment(event.at) : 'came in ' + moment(event.at.slice(0, 10));
    const time = make('span', 'rv-ev-time', clock(event.start_s, 0) + ' – ' + clock(event.end_s, 0) + ' · ' + begun);
    const overTime = event.classes.length > 0 && 'over time: ' + event.classes.join(' → ');
    const extra = [overTime, event.note && '✎ ' + event.note, ...event.others].filter(Boolean).join(' · ');
    const more = make('span', 'rv-ev-more', extra);
    const text = make('span', 'rv-ev-text');
    text.append(head, smallCurve(event), about, time, more);
    const box = make('span', 'rv-ev-box');
    box.ariaHidden = 'true';
    card.replaceChildren(screen, text, box, ...(pending ? [make('span', 'rv-ev-saving', 'saving…')] : []));
    card.title = [event.name, event.called, event.model_label && 'Model: ' + event.model_label, extra]
      .filter(Boolean)
      .join('\n');
  }

  // The strip, when it is there; `error`: why there is none.
  function showStrip({ url, error, peak, frames }) {
    if (film || (!url && !error)) return;
    if (error) {
      screen.replaceChildren(make('span', 'rv-ev-noframe', 'no frame'));
      screen.title = error;
      return;
    }
    const window = make('span', 'rv-ev-window');
    const image = make('img');
    Object.assign(image, { alt: '', draggable: false, frames, peak });
    image.addEventListener('load', () => {
      window.style.aspectRatio = image.naturalWidth / frames + ' / ' + image.naturalHeight;
    });
    image.src = address(url);
    image.style.width = 100 * frames + '%';
    window.append(image);
    screen.replaceChildren(window);
    film = image;
    place(peak);
    if (card.matches(':hover, :focus')) play();
  }

  return { node: card, show, showStrip, rest };
}
