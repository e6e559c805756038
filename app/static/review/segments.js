// The review list: segments as the reviewer decided them, and near misses. It is made elsewhere; this shows and walks it.
import { find } from '../lib/dom.js';
import { clock, inSeconds, plural } from '../lib/format.js';
import { unseenFacts } from '../lib/unseen.js';
import { listen, state } from '../state.js';
import { extent } from '../timeline/lanes.js';
import { makeSegmentFilter } from './segment_filter.js';
import { makeFrames } from './segment_frames.js';
import { classesOf, inside } from './segment_order.js';
import { makeTable } from './segment_table.js';
import { withProvisional } from './when_final.js';

function ofWhole(marks, unseen) {
  const left = marks.filter((m) => m.state === 'open');
  const seconds = left.reduce((sum, m) => sum + m.end_s - m.start_s, 0);
  const many = left.length + ' of ' + marks.length + ' left';
  const read = unseen?.spans.length ? ' in the ' + inSeconds(unseen.seen_s) + ' s that could be read' : '';
  const rest = left.length ? ' · ' + clock(seconds, 0) + ' to review' : ' · all decided';
  return marks.length ? many + rest : 'No segments' + read;
}

// Of a clip that is still being read.
function soFar({ scores, final_s }, marks, trained) {
  const peak = (trained ? 'peak ' : 'untrained peak ') + extent([scores])[1].toFixed(2);
  const rest = final_s ? 'final until ' + clock(final_s, 0) + ', then provisional' : 'all provisional';
  return [plural(marks.length, 'segment') + ' so far', peak, rest].join(' · ');
}

export function makeSegments({ onGo, onSeek, onFilter }) {
  const table = makeTable({ onPick: (id) => onGo(byId(id)), onSeek, onListed: () => frames.watch() });
  let [marks, misses] = [[], []];
  let sortedAnew = false; // N begins at the top of an order that was just chosen
  let trained = false;
  let unseen = null; // facts of footage that was not seen
  const filter = makeSegmentFilter({
    onChange(reordered) {
      sortedAnew ||= reordered;
      onFilter();
      draw();
    },
  });

  const all = () => [...marks, ...misses];
  const byId = (id) => all().find((m) => m.id === id);
  const frames = makeFrames({ byId });
  const numberOf = (id) => marks.findIndex((m) => m.id === id) + 1; // 0: a near miss
  // The selected one stays in the table even when it no longer fits the filters.
  const isShown = (m) => filter.fits(m) || m.id === state.segment?.id;
  const listed = (list) => filter.sorted(list.filter(isShown));

  const showCount = () => {
    const { curves } = state;
    find('.rv-count').textContent = curves?.growing ? soFar(curves, marks, trained) : ofWhole(marks, unseen);
  };

  function show(answer) {
    const shown = (list, near_miss) =>
      withProvisional(list).map((mark) => ({ ...mark, score: mark.model_score, near_miss }));
    marks = shown(answer.marks, false);
    misses = shown(answer.misses, true);
    filter.offer(all().flatMap(classesOf));
    draw();
    showCount();
  }

  function draw() {
    const focused = document.activeElement?.closest?.('.rv-table tr[data-id]')?.dataset.id;
    const [standing, near] = [listed(marks), listed(misses)];
    const numbers = new Map(marks.map((m, i) => [m.id, String(i + 1)]));
    table.show(standing, near, { all: all(), numbers, fits: filter.fits });
    const current = table.point();
    if (focused) (table.rowOf(focused) ?? current)?.focus({ preventScroll: true });
    filter.say(standing.length, marks.length);
    find('.rv-nothing').textContent = standing.length ? '' : whyNone();
  }

  function whyNone() {
    if (marks.length) return 'No segment fits these filters.';
    if (state.curves?.growing) return 'Nothing reaches ' + state.cut.threshold.toFixed(2) + ' so far.';
    const part = unseen?.spans.length ? 'In the part that could be read, nothing reaches ' : 'Nothing reaches ';
    const said = part + state.cut.threshold.toFixed(2) + '. Lower the threshold to see the next candidates';
    return said + (misses.length ? ', or look at the near misses.' : '.');
  }

  const isWalked = (m) => m.state !== 'dismissed' || filter.wants('dismissed');

  // The next one down or up the list; in order of time, from where playback is.
  function neighbour(time, direction) {
    const list = direction > 0 ? listed(marks) : listed(marks).reverse();
    const top = filter.inTime() || (sortedAnew && direction > 0);
    const from = top ? 0 : list.findIndex((m) => m.id === state.segment?.id) + 1;
    const beyond = (m) => !filter.inTime() || direction * (m.start_s - time) > 0.05;
    return list.slice(from).find((m) => beyond(m) && isWalked(m));
  }

  // What to go to where the list ends.
  function offers() {
    const list = listed(marks);
    return { first: list.find(isWalked), open: list.find((m) => m.state === 'open' && m.id !== state.segment?.id) };
  }

  // Ids of those listed after the one with that id, and then of those before it.
  function ahead(id) {
    const ids = listed(marks).map((m) => m.id);
    const i = ids.indexOf(id);
    return [...ids.slice(i + 1), ...ids.slice(0, Math.max(i, 0))];
  }

  function nameScore(facts) {
    trained = facts.trained;
    find('.rv-sortby[data-sort="peak"]').textContent = trained ? 'Peak' : 'Untrained peak';
  }

  listen({
    grown: nameScore,
    analysed(facts) {
      unseen = unseenFacts(facts);
      nameScore(facts);
    },
    closed() {
      unseen = null;
      show({ marks: [], misses: [] });
    },
    selected(segment, before) {
      const followed = table.rowOf(before?.id)?.contains(document.activeElement); // the focus goes along with the selection
      if ([before, segment].some((m) => m && !filter.fits(m))) draw();
      const row = table.point();
      if (followed) row?.focus({ preventScroll: true });
      if (row) table.reveal(row);
    },
  });

  return {
    all,
    show,
    neighbour,
    offers,
    settle: () => {
      sortedAnew = false;
    },
    ahead,
    isShown,
    fits: filter.fits,
    byId,
    // Playback passes by what is filtered out, and by near misses: those are decided on only where somebody chose one.
    at: (time) => marks.find((m) => filter.fits(m) && inside(m, time)),
    under: (time) => all().find((m) => inside(m, time)),
    number: numberOf,
    marks: () => marks,
  };
}
