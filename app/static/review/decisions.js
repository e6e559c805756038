// Decisions: what a key or a button tells Python to change, one after the other, and what came of it.
//
// A command waits for the one before it, and looks at the page only when its turn comes: ten quick keys mean what ten
// slow ones mean. The first that is refused drops those behind it, for they would hit the wrong segment.
import { find } from '../lib/dom.js';
import { wordsOf } from '../lib/faults.js';
import { clock, plural } from '../lib/format.js';
import { keepChoice } from '../lib/memory.js';
import * as notice from '../lib/notice.js';
import { listen, state } from '../state.js';
import { makeAddByHand } from './add_by_hand.js';
import { makeChange } from './change.js';
import { makeNaming } from './naming.js';
import { clipHere, makeRefused } from './refused.js';
import { makeTurns } from './turns.js';

const EXACT_S = 0.0005; // times are kept to the millisecond

export function makeDecisions({ question, segments, now, reviewer, onReview, onReload, onGo, onAdded, onOpen }) {
  const moveOn = find('.rv-moveon input');
  let review = null; // the newest answer
  const refuse = makeRefused({ onOpen });
  const turns = makeTurns((error, dropped) => {
    const rest = dropped ? ' ' + plural(dropped, 'command') + ' behind it not carried out: look, and press again.' : '';
    refuse(clipHere(), wordsOf(error) + rest); // no clip is left before its turns are over
    onReload();
  });
  const inOrder = turns.add;
  const acknowledge = (text) => notice.show('decision', text);
  const { change, unnamed } = makeChange({ review: () => review, question, reviewer, onReview, refuse });

  const changed = (answer) => answer.changed.map(segments.byId).filter(Boolean);
  const place = (id) => {
    const number = segments.number(id);
    return number ? number + ' of ' + segments.marks().length : 'near miss';
  };

  function need() {
    if (!state.segment) acknowledge('Select a segment first: N goes to the next one.');
    return state.segment;
  }

  // `data` may look at the segment; `words` begin the acknowledgement.
  function decide(action, words, data = () => ({}), then = () => {}) {
    inOrder(async () => {
      const mark = need();
      if (!mark) return;
      const where = place(mark.id);
      const ahead = segments.ahead(mark.id); // before the decision sorts it elsewhere, or filters it out
      const more = data(mark);
      const told = () => words + ' ' + where;
      if (more) await change('decide', { action, segment: mark.id, ...more }, told, () => then(ahead));
    });
  }

  function goOn(ahead) {
    const next = moveOn.checked && ahead.map(segments.byId).find((m) => m?.state === 'open' && segments.isShown(m));
    if (next) onGo(next);
  }

  function edge(side, time = now()) {
    const name = side + '_s';
    decide('edges', 'Moved the ' + side + ' of', ({ start_s, end_s, [name]: before }) => {
      if (Math.abs(time - before) < EXACT_S) return acknowledge('The ' + side + ' of this segment is here already.');
      return { start_s, end_s, [name]: time };
    });
  }

  const { label, digits } = makeNaming({ decide, goOn, acknowledge });
  const adding = makeAddByHand({
    now,
    onBegin: (time) =>
      acknowledge('A segment starts at ' + clock(time) + ': press A again at its end, Esc to give up.'),
    onEnd: (start_s, end_s) =>
      inOrder(() =>
        change(
          'decide',
          { action: 'add', start_s, end_s },
          () => 'Added from ' + clock(start_s),
          (answer) => {
            const [added] = changed(answer);
            if (added) onAdded(added);
          },
        ),
      ),
    onGiveUp: () => acknowledge('Nothing was added.'),
  });

  function step(name, done) {
    inOrder(async () => {
      const what = reviewer.isNamed() && review?.[name];
      if (!what) return acknowledge('Nothing to ' + name + ' on this clip.');
      await change(
        name,
        {},
        () => done + ' ' + what,
        (answer) => {
          const [back] = changed(answer);
          if (back && back.id !== state.segment?.id) onGo(back); // what was taken back is what to look at
        },
      );
    });
  }

  keepChoice(moveOn, 'cmhkf-move-on', 'yes');

  listen({
    closed() {
      review = null;
      notice.clear('decision');
    },
  });

  return {
    inOrder,
    change,
    settled: turns.settled,
    // Somebody says who reviews: after what is under way, and before what comes behind it.
    become: (work) =>
      turns.addAnyway(async () => {
        review = null; // another person's
        adding.giveUp();
        await work();
        await unnamed();
      }),
    cancel: adding.giveUp,
    label,
    edge,
    note: (id, text) =>
      turns.addAnyway(() =>
        change('decide', { action: 'note', segment: id, note: text }, () => 'Noted on ' + place(id)),
      ),
    review: () => review,
    // Whether an answer is news: one that was overtaken by a decision is not.
    take(answer) {
      if (review && answer.reviewer === review.reviewer && answer.revision < review.revision) return false;
      review = answer;
      return true;
    },
    actions: {
      confirm: () => decide('confirm', 'Confirmed', undefined, goOn),
      dismiss: () => decide('dismiss', 'Dismissed', undefined, goOn),
      reopen: () => decide('reopen', 'Reopened'),
      undo: () => adding.giveUp() || step('undo', 'Undid:'),
      redo: () => step('redo', 'Redid:'),
      edgeStart: () => edge('start'),
      edgeEnd: () => edge('end'),
      split: () => {
        const at_s = now();
        decide('split', 'Split', () => ({ at_s }));
      },
      merge: () => decide('merge', 'Merged with its next:'),
      remove: () => decide('remove', 'Removed'),
      add: adding.press,
      ...digits,
    },
  };
}
