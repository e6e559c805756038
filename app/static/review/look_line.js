// The two buttons that open a blind look: below the list of segments, with what the newest look said, and in the library.
import { find } from '../lib/dom.js';
import { request } from '../lib/server.js';
import { listen, state } from '../state.js';

export function makeLookLine({ question, onOpen }) {
  const [line, all] = [find('.rv-lookline'), find('.rv-lookall')];
  let whose = null; // reviewer and analysis of what stands there

  const tell = ({ short, threshold }) => {
    line.querySelector('span').textContent = short ? short + ' (below ' + threshold.toFixed(2) + ')' : '';
  };

  async function ask(reviewer) {
    const mine = reviewer + ' ' + state.analysis;
    if (whose === mine) return;
    whose = mine;
    tell({});
    const answer = await request('look', question()).catch(() => ({})); // only comfort is lost
    if (whose === mine) tell(answer);
  }

  line.querySelector('button').addEventListener('click', () => onOpen(false));
  all.addEventListener('click', () => onOpen(true));
  listen({
    opened() {
      line.hidden = false;
    },
    reviewed: ({ reviewer }) => ask(reviewer),
    closed() {
      line.hidden = true;
      whose = null;
    },
    status({ library }) {
      all.hidden = !library.some((entry) => entry.analysis_id);
    },
  });
  return { tell };
}
