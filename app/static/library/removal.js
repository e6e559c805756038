// Asks before a clip is removed, and says what goes with it.
import { find } from '../lib/dom.js';
import { wordsOf } from '../lib/faults.js';
import { request } from '../lib/server.js';

export function makeRemoval({ onRemoved }) {
  const dialog = find('.rv-removal');
  const yes = dialog.querySelector('.rv-danger');
  const also = dialog.querySelector('.rv-also');
  const said = dialog.querySelector('.rv-fault');
  let entry = null;

  function open(chosen) {
    entry = chosen;
    dialog.querySelector('h2').textContent = 'Remove “' + entry.name + '”?';
    const decided = entry.review?.decided ?? 0;
    dialog.querySelector('.rv-kept').hidden = !decided;
    also.checked = false;
    also.parentElement.querySelector('span').textContent =
      'Delete ' + (decided === 1 ? 'the decision' : 'the ' + decided + ' decisions') + ' on it too';
    dialog.querySelector('.rv-running').hidden = !entry.work || entry.work.state === 'failed';
    said.textContent = '';
    busy(false);
    dialog.showModal();
    dialog.querySelector('.rv-keepit').focus();
  }
  function busy(on) {
    yes.disabled = on;
    yes.textContent = on ? 'Removing…' : 'Remove';
  }

  yes.addEventListener('click', async () => {
    const { clip, name } = entry;
    busy(true);
    try {
      await request('remove', { clip, decisions: also.checked });
      dialog.close();
      await onRemoved(clip, name);
    } catch (error) {
      said.textContent = wordsOf(error);
      busy(false);
    }
  });
  dialog.querySelector('.rv-keepit').addEventListener('click', () => dialog.close());
  return { open };
}
