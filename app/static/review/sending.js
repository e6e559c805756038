// Decisions on their way to the server, and those that wait until the reviewer has said a name.
import * as notice from '../lib/notice.js';
import { request } from '../lib/server.js';

const token = () => [...crypto.getRandomValues(new Uint8Array(8))].map((b) => b.toString(16).padStart(2, '0')).join('');

// `review()`: the newest answer; `onReview` takes the next one, and says whether it is of what is on screen.
export function makeSending({ review, question, reviewer, onReview }) {
  const unnamed = []; // what was decided before there was a name
  window.addEventListener('beforeunload', (event) => unnamed.length && event.preventDefault()); // the browser asks

  // `words` begin the acknowledgement, `then` gets the answer unless the user has gone to another clip meanwhile.
  async function send(name, data, words, then = () => {}) {
    if (!review()) return;
    const work = { name, data, words, then, requested: question() };
    if (reviewer.isNamed()) return deliver(work, review().revision);
    unnamed.push(work);
    reviewer.ask();
    notice.show('decision', 'This is kept, and waits for your name.');
  }

  async function deliver({ name, data, words, then, requested }, revision) {
    const answer = await request(name, { ...requested, revision, request: token(), ...data });
    if (!onReview(answer, requested)) return false;
    const left = answer.marks.filter((m) => m.state === 'open').length;
    notice.show('decision', words(answer) + ' · ' + left + ' left · revision ' + answer.revision);
    then(answer);
    return true;
  }

  // What was decided before there was a name, on whichever clip. Without a server it waits on.
  async function sendUnnamed() {
    while (unnamed.length && reviewer.isNamed())
      try {
        const work = { ...unnamed[0], requested: { ...unnamed[0].requested, reviewer: reviewer.name() } };
        const { revision } = await request('marks', work.requested);
        const here = await deliver(work, revision);
        if (!here) notice.show('page', 'What you decided on the other clip is kept as ' + reviewer.name() + '.');
        unnamed.shift();
      } catch (error) {
        notice.fail('decision', error);
        if (error.away) return;
        unnamed.shift();
      }
  }

  return { send, sendUnnamed };
}
