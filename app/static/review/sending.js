// Decisions on their way to the server: one queue for the whole page, in the order in which they were taken. Each is sent
// until the server answers, and its token makes it one change however often it arrives.
import { plural } from '../lib/format.js';
import { pause } from '../lib/jobs.js';
import * as notice from '../lib/notice.js';
import { request } from '../lib/server.js';

const RETRY_MS = 1000;
const queue = [];

// Not crypto.randomUUID: browsers have it on https and on their own machine alone.
const newToken = () => [...crypto.getRandomValues(new Uint8Array(8))].map((b) => b.toString(16).padStart(2, '0')).join(''); // prettier-ignore

const sayOnPage = (text) => notice.show('connection', text, { bad: true });

/**
 * Answers with what the server said; throws what it refused with. `make` gives what is sent, once all before it is
 * answered; `decides` says of an event's key whether it decides that event; `onWait` is told that it could not be sent yet.
 */
export function send(name, make, { decides = () => false, onWait = sayOnPage } = {}) {
  return new Promise((done, refuse) => {
    queue.push({ name, make, decides, onWait, token: newToken(), done, refuse });
    if (queue.length === 1) sendAll();
  });
}

export const isUnsent = (key) => queue.some((each) => each.decides(key));
export const hasUnsent = () => queue.length > 0;

async function sendAll() {
  while (queue.length) {
    const settle = await answered(queue[0]);
    queue.shift();
    settle();
  }
}

async function answered({ name, make, onWait, token, done, refuse }) {
  for (;;)
    try {
      const answer = await request(name, { ...(await make()), request: token });
      return () => done(answer);
    } catch (error) {
      if (!error.away) return () => refuse(error);
      const what = plural(queue.length, 'decision') + (queue.length > 1 ? ' are' : ' is');
      onWait(error.message + ' ' + what + ' not saved yet: this page sends again until it is done. Keep it open.');
      await pause(RETRY_MS);
    }
}

// The browser asks before it closes a page with something in the queue.
export function watchLeaving() {
  window.addEventListener('beforeunload', (event) => queue.length && event.preventDefault());
}
