// A clip without segments was watched, and nothing is there: a person says so.
import { find } from '../lib/dom.js';
import { listen, state } from '../state.js';

export function bindWatched({ inOrder, change }) {
  const button = find('.rv-watched');
  const isOn = () => button.ariaPressed === 'true';

  const press = () =>
    inOrder(() =>
      change('watch', { on: !isOn() }, ({ watched }) => (watched ? 'Watched, nothing here' : 'Not watched yet')),
    );
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
