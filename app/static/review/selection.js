// Which segment is selected: the one under the playhead, or the last one there was; and the ways from one to another.
import { find, say } from '../lib/dom.js';
import { clock } from '../lib/format.js';
import { keepChoice } from '../lib/memory.js';
import * as notice from '../lib/notice.js';
import { listen, select, state } from '../state.js';
import { markName } from './cut.js';
import { inside } from './segment_order.js';

const HOLD_S = 0.02; // a playhead that moves less than this rests

export function makeSelection({ segments, transport, isLooping }) {
  const autoplay = find('.rv-autoplay');
  keepChoice(autoplay, 'cmhkf-autoplay', 'no');
  let heldAt = NaN; // where the playhead was when a segment was chosen that need not lie under it

  // Selected until the playhead moves on, whatever lies under it.
  function choose(segment) {
    heldAt = transport.now();
    select(segment);
  }

  // Selected while playback shows a moment of it or beside it.
  function hold(segment, time) {
    heldAt = time;
    select(segments().byId(segment.id) ?? null);
    transport.seek(time);
  }

  function go(segment) {
    notice.clear('walk');
    segments().settle();
    select(segment);
    if (autoplay.checked) transport.playOnce(segment.start_s, isLooping() ? Infinity : segment.end_s);
    else transport.seek(segment.start_s);
    say('Segment ' + markName(state.curves, segment) + ' at ' + clock(segment.start_s));
  }

  function walk(direction) {
    const segment = segments().neighbour(transport.now(), direction);
    if (segment) return go(segment);
    const { first, open: left } = segments().offers();
    if (!first) return notice.show('walk', 'There is no segment to go to.');
    const words = left ? 'Go to one left to review' : 'Go to the first';
    const act = direction > 0 && [words, () => go(left ?? first)];
    notice.show('walk', direction > 0 ? 'No segment follows in this list.' : 'This list begins here.', { act });
  }

  // A click on the timeline takes up what lies there, also where the filters of the table leave it out.
  function seek(time) {
    transport.seek(time);
    const there = segments().under(time);
    segments().settle();
    if (there && !(state.segment && inside(state.segment, time))) select(there);
  }

  listen({
    selected: () => notice.clear('walk'),
    moved(time) {
      if (isLooping() || Math.abs(time - heldAt) < HOLD_S) return;
      heldAt = NaN;
      if (!(state.segment && inside(state.segment, time))) select(segments().at(time) ?? state.segment);
    },
    address(query) {
      if (state.segment) query.set('segment', state.segment.id);
    },
  });

  return { choose, hold, go, walk, seek };
}
