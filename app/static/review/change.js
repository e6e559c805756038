// A change to the clip on screen: sent with what its reviewer has seen, and what came of it told.
import { wordsOf } from '../lib/faults.js';
import * as notice from '../lib/notice.js';
import { request } from '../lib/server.js';
import { clipHere } from './refused.js';
import { send } from './sending.js';

// `review()`: the newest answer; `onReview` takes the next one, and says whether it is of what is on screen;
// `refuse` tells why a clip's was not taken.
export function makeChange({ review, question, reviewer, onReview, refuse }) {
  let unnamed = Promise.resolve(); // until what was decided before there was a name is saved

  // `words` begin the acknowledgement, `then` gets the answer. What is decided before there is a name waits for it; the
  // page goes on meanwhile, also to another clip.
  async function change(name, data, words, then = () => {}) {
    if (!review()) return notice.show('decision', 'The decisions are still being read: press again in a moment.');
    const { revision } = review();
    const named = reviewer.isNamed();
    const [requested, from, who] = [question(), clipHere(), reviewer.decider()];
    const saved = send(name, async () => {
      const mine = { ...requested, reviewer: await who };
      return { ...mine, ...data, revision: named ? revision : (await request('marks', mine)).revision };
    }).then((answer) => {
      if (!onReview(answer, requested))
        return notice.show('elsewhere', 'What you decided on ' + from.name + ' is kept as ' + answer.reviewer + '.');
      const left = answer.marks.filter((m) => m.state === 'open').length;
      notice.show('decision', words(answer) + ' · ' + left + ' left · revision ' + answer.revision);
      then(answer);
    });
    if (named) await saved;
    else unnamed = saved.catch((error) => refuse(from, wordsOf(error)));
  }

  return { change, unnamed: () => unnamed };
}
