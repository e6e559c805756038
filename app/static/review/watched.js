// A clip without segments was watched, and nothing is there: a person says so.
import { find } from '../lib/dom.js';
import * as notice from '../lib/notice.js';
import { request } from '../lib/server.js';
import { listen, state } from '../state.js';

export function bindWatched({ question, onTaken }) {
  const button = find('.rv-watched');
  const isOn = () => button.ariaPressed === 'true';

  async function press() {
    const { visit } = state;
    try {
      const answer = await request('watch', { ...question(), on: !isOn(), request: crypto.randomUUID() });
      if (visit !== state.visit) return;
      notice.show('decision', answer.watched ? 'Watched, nothing here.' : 'Not watched yet.');
      onTaken(answer);
    } catch (error) {
      if (visit === state.visit) notice.fail('decision', error);
    }
  }
  button.addEventListener('click', press);
  listen({
    closed() {
      button.hidden = true;
    },
    cut({ marks, watched }) {
      button.hidden = marks.length > 0 || Boolean(state.curves?.growing);
      button.ariaPressed = String(Boolean(watched));
      button.textContent = (watched ? '✓ ' : '') + 'Watched, nothing here';
    },
  });
  return { press: () => !button.hidden && press() };
}
