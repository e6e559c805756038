// Who reviews: a name kept by this browser, or the user that logged in.
import { find } from '../lib/dom.js';
import { recall, remember } from '../lib/memory.js';
import { request } from '../lib/server.js';

export function makeReviewer({ onChange }) {
  const field = find('.rv-reviewer input');
  const KEY = 'cmhkf-reviewer';
  field.value = recall(KEY) || 'reviewer';
  let name = field.value;

  field.addEventListener('change', () => {
    const next = field.value.replace(/\s+/g, ' ').trim() || 'reviewer';
    field.value = next;
    remember(KEY, next);
    onChange(() => {
      name = next;
    });
  });
  field.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') field.blur();
  });

  return {
    name: () => name,
    async start() {
      const { reviewer } = await request('who');
      if (!reviewer) return;
      name = field.value = reviewer;
      field.readOnly = true;
      field.title = 'You are logged in as ' + reviewer;
    },
  };
}
