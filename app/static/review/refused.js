// What was refused of a clip: it is said there, and by the clip's name where the page has gone on to something else, until
// that is left too.
import { find } from '../lib/dom.js';
import * as notice from '../lib/notice.js';
import { listen, state } from '../state.js';

/** The clip on screen, as a command that is given now remembers it. */
export const clipHere = () => ({ clip: state.clip, name: find('.rv-title').textContent });

/** `onOpen` leads to a clip. Answers with what says why something of a clip, as `clipHere` gave it, was refused. */
export function makeRefused({ onOpen }) {
  let last = null; // what was refused last

  function say(from, why) {
    last = { from, why };
    if (from.clip === state.clip) return notice.show('refused', why, { bad: true });
    const act = ['Open it', () => onOpen({ clip: from.clip })];
    notice.show('elsewhere', from.name + ': ' + why, { bad: true, act });
  }

  listen({
    closed() {
      notice.clear('elsewhere');
      if (notice.isAbout('refused')) say(last.from, last.why);
    },
  });
  return say;
}
