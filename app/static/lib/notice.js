// The one line that says what came of the last thing done, on either view. A message belongs to something, and goes when
// that is over: 'decision' to a clip and who reviews it, 'refused' to the clip of a command, 'elsewhere' to what is on
// screen while it tells of another clip, 'walk' to the selected segment, 'home' to the first page, 'events' to their list,
// 'upload' to files on their way, 'offer' to one that came and can be opened, 'connection' to a server that does not
// answer, 'page' to nothing but the next message.
import { button, find } from './dom.js';
import { wordsOf } from './faults.js';

let owner = '';

// `act`: [words, function] of a button that offers what to do about it.
export function show(whose, text, { bad = false, act } = {}) {
  owner = text ? whose : '';
  for (const line of [find('.rv-ack'), find('.rv-said'), find('.rv-ev-ack')]) {
    line.textContent = line.title = text;
    line.classList.toggle('rv-failed', bad);
    if (act) line.append(' ', button(act[0], 'rv-link', act[1]));
  }
}

export const isAbout = (whose) => owner === whose;
export const fail = (whose, error) => show(error.away ? 'connection' : whose, wordsOf(error), { bad: true });

export function clear(whose) {
  if (owner === whose) show('', '');
}
