// The strips above the curves: this reviewer's segments, and a thin one for every other reviewer. A block is an element
// if it is wide enough, or selected; the others, of which a long clip has hundreds, are drawn on the canvas.
import { find, lay, make } from '../lib/dom.js';
import { clamp } from '../lib/format.js';
import { markName } from '../review/cut.js';
import { STATES } from '../review/segment_order.js';
import { listen, state } from '../state.js';
import { OTHER_PX, STRIP_PX } from './lanes.js';

const WORDS_PX = 40; // narrower, a cut-off letter says nothing
const DRAWN_PX = 12; // narrower, it is drawn: hundreds of elements would hold up every frame
const LEAST_PX = 3;
const FRAMED_PX = 6; // narrower, a block is all frame

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

function element({ segment, near }) {
  const made = make(
    'span',
    near ? 'rv-block rv-near' : 'rv-block',
    STATES[segment.state][0] + ' ' + markName(state.curves, segment),
  );
  made.dataset.state = segment.state;
  made.dataset.id = segment.id;
  made.classList.toggle('rv-provisional', Boolean(segment.provisional));
  return made;
}

export function makeStrips({ isShown, onChange }) {
  const strip = find('.rv-strip');
  const others = find('.rv-others');
  let rows = []; // [{ box, top, height, blocks: [{ segment, near, made, hushed }], slim: [[block, from, to]] }]

  function show(review) {
    const blocks = (list, near = false) => list.map((segment) => ({ segment, near, made: null, hushed: false }));
    const mine = [...blocks(review.misses, true), ...blocks(review.marks)];
    const theirs = othersOf(review).map(({ marks }) => blocks(marks));
    others.replaceChildren(...theirs.map(() => make('div')));
    rows = [
      { box: strip, top: 0, height: STRIP_PX, blocks: mine },
      ...theirs.map((list, i) => ({
        box: others.children[i],
        top: STRIP_PX + 1 + OTHER_PX * i,
        height: OTHER_PX - 1,
        blocks: list,
      })),
    ];
    dim();
  }

  // What the table does not list stands back.
  function dim() {
    for (const block of mine()) block.hushed = !isShown(block.segment);
  }

  function look() {
    dim();
    onChange();
  }

  const mine = () => rows[0]?.blocks ?? [];

  // The end of one of this reviewer's blocks that lies within `reach` px: { segment, side }, or null.
  function endAt(px, reach, toPx) {
    const ends = mine().flatMap(({ segment }) => {
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
    for (const block of mine()) if (block.segment.id === segment.id) block.segment = { ...segment, ...ends };
  }

  function place(view, toPx, width) {
    for (const row of rows) {
      row.slim = [];
      const wide = [];
      for (const block of row.blocks) {
        const { segment } = block;
        if (segment.end_s < view[0] || segment.start_s > view[1]) continue;
        const from = clamp(toPx(segment.start_s), -4, width);
        const room = Math.max(LEAST_PX, clamp(toPx(segment.end_s), 0, width + 4) - from);
        const inHand = row.box === strip && segment.id === state.segment?.id;
        if (room < DRAWN_PX && !inHand && !segment.provisional) {
          row.slim.push([block, from, room]);
          continue;
        }
        const made = (block.made ??= element(block));
        made.style.left = from + 'px';
        made.style.width = room + 'px';
        made.classList.toggle('rv-slim', room < WORDS_PX);
        made.classList.toggle('rv-inhand', inHand);
        made.classList.toggle('rv-hushed', block.hushed);
        wide.push(made);
      }
      lay(row.box, wide);
    }
  }

  // `hatches`: patterns of a near miss and of what was dismissed.
  function paint(pen, width, ink, hatches) {
    for (const { box, top, height, slim } of rows) {
      pen.fillStyle = ink.sunk;
      pen.fillRect(0, top, width, height);
      const inset = box === strip ? 1 : 0;
      for (const [block, from, room] of slim) {
        const [fill, frame, frame_px] = looks(block, ink, hatches);
        const [y, high] = [top + inset, height - 2 * inset];
        if (fill) {
          pen.fillStyle = fill;
          pen.fillRect(from, y, room, high);
        }
        if (!frame) continue;
        pen.fillStyle = frame;
        if (room < FRAMED_PX && !block.near && !block.hushed) {
          pen.fillRect(from, y, room, high);
          continue;
        }
        pen.fillRect(from, y, frame_px, high);
        pen.fillRect(from + room - frame_px, y, frame_px, high);
        pen.fillRect(from, y, room, frame_px);
        pen.fillRect(from, y + high - frame_px, room, frame_px);
      }
    }
  }

  listen({
    selected: look,
    filtered: look,
  });
  return { show, place, paint, endAt, stretch };
}

// What fills a slim block, what frames it, and how thick the frame is, in px.
function looks({ segment, near, hushed }, ink, hatches) {
  if (hushed) return [null, ink.line, 1];
  if (segment.state === 'dismissed') return [hatches.dismissed, ink.dim, 1];
  if (near) return [hatches.near, null, 0];
  if (segment.state === 'confirmed') return [ink.confirmed, null, 0];
  return [ink['flag-soft'], ink.flag, 1.5];
}
