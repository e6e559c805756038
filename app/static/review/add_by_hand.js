// A segment added by hand: begun where the playhead is, and ended where it is the next time.
import { find } from '../lib/dom.js';
import { listen } from '../state.js';

export function makeAddByHand({ now, onBegin, onEnd, onGiveUp }) {
  let begun = null;

  function begin(time) {
    begun = time;
    find('[data-do="add"]').ariaPressed = String(time !== null);
  }
  listen({ closed: () => begin(null) });

  return {
    press() {
      const [start_s, time] = [begun, now()];
      begin(start_s === null ? time : null);
      if (start_s === null) onBegin(time);
      else onEnd(start_s, time);
    },
    // Whether there was something to give up.
    giveUp() {
      if (begun === null) return false;
      begin(null);
      onGiveUp();
      return true;
    },
  };
}
