// Who reviews: a name kept by this browser, or the user that logged in. The first decision asks for one, and waits for it.
import { find, handOver } from '../lib/dom.js';
import { recall, remember } from '../lib/memory.js';
import * as notice from '../lib/notice.js';
import { request } from '../lib/server.js';
import { state } from '../state.js';

const KEY = 'cmhkf-reviewer';
const NOBODY = 'reviewer'; // whose decisions are shown until somebody says a name

export function makeReviewer({ onChange }) {
  const field = find('.rv-reviewer input');
  const form = find('.rv-whose');
  const unnamed = []; // what waits for a name
  let name = recall(KEY) ?? '';
  field.value = name;

  function become(text) {
    const next = text.replace(/\s+/g, ' ').trim();
    field.value = next || name;
    if (!next || next === name) return;
    remember(KEY, next);
    handOver(form, find('.rv-hit'));
    form.hidden = true;
    onChange(() => {
      name = next;
      for (const goOn of unnamed.splice(0)) goOn(name);
    });
  }

  field.addEventListener('change', () => become(field.value));
  field.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') field.blur();
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    become(form.elements.name.value);
  });

  return {
    name: () => name || NOBODY,
    isNamed: () => name !== '',
    // Who decides now: a promise of the name, where none was given yet.
    decider() {
      if (name) return Promise.resolve(name);
      form.hidden = !state.clip;
      (state.clip ? form.elements.name : field).focus();
      notice.show(state.clip ? 'decision' : 'events', 'This is kept, and waits for your name.');
      return new Promise((done) => unnamed.push(done));
    },
    async start() {
      const { reviewer } = await request('who');
      if (!reviewer) return;
      name = field.value = reviewer;
      field.readOnly = true;
      field.title = 'You are logged in as ' + reviewer;
    },
  };
}
