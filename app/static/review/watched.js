// A clip without segments was watched, and nothing is there: a person says so.
import { find } from '../lib/dom.js';
import * as notice from '../lib/notice.js';
import { listen, state } from '../state.js';

const DECIDED_ELSE = 'This clip has segments: it is done when all of them are decided.';

export function bindWatched({ inOrder, change }) {
  const button = find('.rv-watched');
  let hasSegments = false;
  const isOn = () => button.ariaPressed === 'true';

  const press = () =>
    inOrder(() =>
      hasSegments
        ? notice.show('decision', DECIDED_ELSE)
        : change('watch', { on: !isOn() }, ({ watched }) => (watched ? 'Watched, nothing here' : 'Not watched yet')),
    );
  button.addEventListener('click', press);
  listen({
    closed() {
      button.hidden = true;
    },
    cut({ marks, watched }) {
      hasSegments = marks.length > 0;
      button.hidden = hasSegments || Boolean(state.curves?.growing);
      button.ariaPressed = String(Boolean(watched));
      button.textContent = (watched ? '✓ ' : '') + 'Watched, nothing here';
    },
  });
  return { press };
}
