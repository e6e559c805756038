// What is left of the whole library for this reviewer: always in sight, and the way from clip to clip.
import { find, write } from '../lib/dom.js';
import { passBy } from '../lib/faults.js';
import { clock, plural } from '../lib/format.js';
import { pause } from '../lib/jobs.js';
import * as notice from '../lib/notice.js';
import { request } from '../lib/server.js';
import { listen, state, tell } from '../state.js';

const IDLE_MS = 1000; // a clip that is being opened goes before

// How much is left, told to all while it is counted. Answers once all is; null when it is not wanted any more.
export async function countLeft(reviewer, isWanted) {
  while (isWanted()) {
    const answer = await request('left', { reviewer: reviewer() });
    if (!isWanted()) break;
    tell('left', answer);
    if (answer.complete) return answer;
    await pause(400);
  }
  return null;
}

const minutes = (seconds) => (seconds < 60 ? Math.ceil(seconds) + ' s' : Math.round(seconds / 60) + ' min');

export function makeLeft({ reviewer, onGo, onOpen, offers }) {
  const counter = find('.rv-left');
  let timer = null;

  function show({ left: { n, left_s, n_marks }, complete, n_done, n_clips_all }) {
    const words = n ? plural(n, 'event') + ', ' + minutes(left_s) + ' left' : n_marks ? 'nothing left' : '';
    write(counter, complete ? words : words + ' · counting ' + n_done + ' of ' + n_clips_all);
    counter.title = n ? clock(left_s, 0) + ' of flagged footage to look at, in all clips (Shift+N: next clip)' : '';
    counter.hidden = !words;
  }

  // Now, and again until the whole library is looked into.
  let asked = 0;
  function refresh() {
    const mine = ++asked;
    return countLeft(reviewer, () => mine === asked && counter.isConnected).catch(passBy);
  }
  const soon = (after_ms = 150) => {
    clearTimeout(timer);
    timer = setTimeout(refresh, after_ms);
  };

  async function go(back = false) {
    const answer = await request('next_clip', { reviewer: reviewer(), clip: state.clip ?? '', back });
    tell('left', answer);
    if (answer.analysis_id) return onOpen({ analysis_id: answer.analysis_id });
    const here = answer.left.n ? 'No other clip has anything left.' : 'Nothing is left in the library.';
    notice.show(state.clip ? 'decision' : 'home', here);
  }
  const next = (back) => go(back).catch((error) => notice.fail('page', error));

  // After the last decision of a clip the next is offered.
  function finished({ marks }) {
    if (!marks.length || marks.some((mark) => mark.state === 'open') || !offers()) return;
    const act = ['Next clip (Shift+N)', () => next(false)];
    setTimeout(() => {
      const said = find('.rv-ack'); // by now what acknowledges the decision, or offers something else
      if (!said.querySelector('button'))
        notice.show('decision', said.textContent + '. All of this clip is decided.', { act });
    });
  }

  counter.addEventListener('click', onGo);
  listen({ left: show, decided: (answer) => { soon(); finished(answer); }, status: () => soon(IDLE_MS), reviewer: refresh, recut: refresh }); // prettier-ignore
  return { next, refresh };
}
