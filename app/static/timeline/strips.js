// The strips above the curves: this reviewer's segments, and a thin one for every other reviewer. Blocks are made with
// each cut, and moved with the view.
import { find, make } from '../lib/dom.js';
import { clamp } from '../lib/format.js';
import { STATES } from '../review/segment_order.js';
import { listen, state } from '../state.js';
import { OTHER_PX, STRIP_PX } from './lanes.js';

export const othersOf = (review) => (review.others ?? []).slice(0, 3);

export function sameOthers(a, b) {
  const names = (review) => othersOf(review).map((other) => other.reviewer).join(); // prettier-ignore
  return names(a) === names(b);
}

// Their names, beside the lanes.
export const otherNames = (review) =>
  othersOf(review).map(({ reviewer }, i) => {
    const made = make('span', 'rv-lane rv-othername', reviewer);
    made.style.top = STRIP_PX + 2 + OTHER_PX * (i + 0.5) + 'px';
    made.title = 'Decided by ' + reviewer;
    return made;
  });

export function makeStrips({ isShown }) {
  const strip = find('.rv-strip');
  let blocks = []; // [{ segment, made }] of all strips

  const block = (className) => (segment) => {
    const made = make('span', className, STATES[segment.state][0] + ' ' + segment.label);
    made.dataset.state = segment.state;
    made.dataset.id = segment.id;
    made.classList.toggle('rv-provisional', Boolean(segment.provisional));
    return { segment, made };
  };

  function show(review) {
    const mine = [...review.misses.map(block('rv-block rv-near')), ...review.marks.map(block('rv-block'))];
    const theirs = othersOf(review).map(({ marks }) => marks.map(block('rv-block')));
    strip.replaceChildren(...mine.map(({ made }) => made));
    find('.rv-others').replaceChildren(
      ...theirs.map((list) => {
        const row = make('div');
        row.append(...list.map(({ made }) => made));
        return row;
      }),
    );
    blocks = [mine, ...theirs].flat();
    ring(state.segment, true);
    dim();
  }

  // What the table does not list stands back.
  function dim() {
    for (const { made, segment } of blocks)
      made.classList.toggle('rv-hushed', made.parentElement === strip && !isShown(segment));
  }

  function ring(segment, on) {
    if (segment) strip.querySelector('[data-id="' + CSS.escape(segment.id) + '"]')?.classList.toggle('rv-inhand', on);
  }

  // The end of one of this reviewer's blocks that lies within `reach` px: { segment, side }, or null.
  function endAt(px, reach, toPx) {
    const ends = blocks.flatMap(({ segment, made }) => {
      if (made.parentElement !== strip) return [];
      const [from, to] = [toPx(segment.start_s), toPx(segment.end_s)];
      const near = px > from && px < to ? Math.min(reach, (to - from) / 3) : reach; // the middle is for seeking
      const chosen = segment.id === state.segment?.id ? 0 : 1;
      return [['start_s', from], ['end_s', to]].map(([side, at]) => ({ segment, side, chosen, away: Math.abs(at - px), near })); // prettier-ignore
    });
    const [best] = ends.filter((end) => end.away <= end.near).sort((a, b) => a.chosen - b.chosen || a.away - b.away);
    return best ?? null;
  }

  // Draws a segment with other ends until the next cut.
  function stretch(segment, ends) {
    for (const each of blocks)
      if (each.segment.id === segment.id && each.made.parentElement === strip) each.segment = { ...segment, ...ends };
  }

  function place(view, toPx, width) {
    for (const { made, segment } of blocks) {
      const away = segment.end_s < view[0] || segment.start_s > view[1];
      made.style.visibility = away ? 'hidden' : ''; // taken out, it would lay out the page anew
      if (away) continue;
      const [from, to] = [clamp(toPx(segment.start_s), -4, width), clamp(toPx(segment.end_s), 0, width + 4)];
      made.style.left = from + 'px';
      made.style.width = Math.max(3, to - from) + 'px';
      made.classList.toggle('rv-slim', to - from < 40); // a cut-off letter says nothing
    }
  }

  listen({
    selected(segment, before) {
      ring(before, false);
      ring(segment, true);
      dim();
    },
    filtered: dim,
  });
  return { show, place, endAt, stretch };
}
