// Which events are wanted: the form above the list, its place in the address, and filters kept under a name.
import { find, offerClasses } from '../lib/dom.js';
import { passBy } from '../lib/faults.js';
import { focusAfter } from '../lib/focus.js';
import { request } from '../lib/server.js';
import { EVENT_WORDS } from '../lib/router.js';
import { listen, state } from '../state.js';

const USUAL = {
  sort: 'unseen', state: '', label: '', camera: '', least: '', since: '', until: '', by: '', misses: '', words: '',
}; // prettier-ignore
const NAMES = EVENT_WORDS.map((word) => word.slice('ev_'.length));
const wordOf = (name) => 'ev_' + name;

export function makeWish({ reviewer, onChange, onBlind }) {
  const form = find('.rv-ev-wish');
  const more = form.querySelector('details');
  const saved = form.elements.saved;
  const fields = Object.fromEntries(NAMES.map((name) => [name, form.elements[name]]));
  let kept = []; // [name, query]

  const isUsual = (name) => fields[name].value === USUAL[name];
  const counted = () => NAMES.filter((name) => !['sort', 'words', 'state'].includes(name) && !isUsual(name)).length;
  const query = () =>
    new URLSearchParams(NAMES.filter((name) => !isUsual(name)).map((name) => [name, fields[name].value]));
  // As the address and the server are told: no name is one of what is done with the events.
  const told = () => Object.fromEntries([...query()].map(([name, value]) => [wordOf(name), value]));

  function mark() {
    const count = counted();
    more.querySelector('summary').textContent = count ? 'More filters (' + count + ')' : 'More filters';
    find('.rv-ev-clear').hidden = NAMES.every((name) => name === 'sort' || isUsual(name));
    const now = query().toString();
    saved.value = kept.find(([, words]) => words === now)?.[0] ?? '';
    find('.rv-ev-drop').hidden = !saved.value;
    find('.rv-ev-keep').hidden = Boolean(saved.value) || !now;
  }

  function set(wanted) {
    for (const name of NAMES) {
      const value = wanted.get(name) ?? USUAL[name];
      if (['label', 'camera', 'by'].includes(name) && value)
        offerClasses(fields[name], [...options(fields[name]), value]);
      fields[name].value = value;
      if (fields[name].value !== value) fields[name].value = USUAL[name]; // a word that is none of ours
    }
    more.open = counted() > 0;
    mark();
  }
  const options = (field) => [...field.options].map((option) => option.value).filter(Boolean);

  const blind = find('.rv-ev-blind input');
  blind.addEventListener('change', () =>
    request('choose', { reviewer: reviewer(), blind: blind.checked }).then(onBlind, passBy),
  );

  function showChoices(choices) {
    blind.checked = choices.blind;
    kept = choices.filters;
    saved.replaceChildren(saved.options[0], ...kept.map(([name]) => new Option(name, name)));
    saved.parentElement.hidden = !kept.length;
    mark();
  }

  form.addEventListener('submit', (event) => event.preventDefault());
  form.addEventListener('input', (event) => {
    if (event.target === saved || event.target === blind || !event.target.checkValidity()) return;
    mark();
    clearTimeout(timer);
    timer = setTimeout(onChange, event.target.matches('select') ? 0 : 250);
  });
  let timer = null;
  saved.addEventListener('change', () => {
    const words = kept.find(([name]) => name === saved.value)?.[1];
    set(new URLSearchParams(words ?? ''));
    onChange();
  });
  find('.rv-ev-clear').addEventListener('click', (press) => {
    set(new URLSearchParams({ sort: fields.sort.value }));
    onChange();
    focusAfter(press, fields.words);
  });

  // A name for what is wanted now.
  const naming = find('.rv-ev-naming');
  find('.rv-ev-keep').addEventListener('click', () => {
    naming.hidden = false;
    naming.querySelector('input').focus();
  });
  async function keep() {
    const field = naming.querySelector('input');
    const name = field.value.trim();
    if (!name) return;
    showChoices(await request('keep_filter', { reviewer: reviewer(), name, query: query().toString() }));
    field.value = '';
    naming.hidden = true;
    saved.focus();
  }
  naming.querySelector('button').addEventListener('click', keep);
  naming.querySelector('input').addEventListener('keydown', (event) => {
    if (event.key === 'Enter') keep();
    if (event.key === 'Escape') naming.hidden = true;
    if (event.key === 'Escape' || event.key === 'Enter') event.stopPropagation();
  });
  find('.rv-ev-drop').addEventListener('click', async (press) => {
    showChoices(await request('drop_filter', { reviewer: reviewer(), name: saved.value }));
    focusAfter(press, fields.words);
  });

  // The values to choose from, with how many events have each.
  function offer({ labels, cameras, reviewers }) {
    for (const [name, found] of Object.entries({ label: labels, camera: cameras, by: reviewers })) {
      offerClasses(
        fields[name],
        found.map(([value]) => value),
      );
      const counts = Object.fromEntries(found);
      for (const option of [...fields[name].options].slice(1))
        option.textContent = option.value + (counts[option.value] ? ' (' + counts[option.value] + ')' : '');
      fields[name].parentElement.hidden = !found.length && !fields[name].value;
    }
  }

  listen({
    address(words) {
      if (state.view !== 'events') return;
      for (const [name, value] of Object.entries(told())) words.set(name, value);
    },
    restored(words) {
      if (words.get('view') !== 'events') return; // a clip's address says nothing of them
      set(
        new URLSearchParams(
          NAMES.flatMap((name) => (words.has(wordOf(name)) ? [[name, words.get(wordOf(name))]] : [])),
        ),
      );
    },
  });
  return {
    told,
    offer,
    showChoices,
    set(wanted) {
      set(new URLSearchParams(wanted));
    },
  };
}
