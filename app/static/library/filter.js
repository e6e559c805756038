// The search and the filters over the library list, and their place in the address.
import { find, offerClasses } from '../lib/dom.js';
import { replaceAddress } from '../lib/router.js';
import { listen } from '../state.js';
import { NO_WISH } from './sort.js';

// `onChange` is told whether somebody chose something, and did not come back to it.
export function makeFilter({ onChange }) {
  const form = find('.rv-sift');
  const more = form.querySelector('details');
  const fields = Object.fromEntries(Object.keys(NO_WISH).map((name) => [name, form.elements[name]]));
  const wish = () => Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.value]));

  function read(query) {
    for (const [name, usual] of Object.entries(NO_WISH)) {
      const value = query.get(name) ?? usual;
      if (name === 'class' && value) offerClasses(fields.class, [value]);
      fields[name].value = value;
      if (fields[name].value !== value) fields[name].value = usual; // a word that is none of ours
    }
    more.open = counted() > 0;
    mark();
  }

  function write() {
    const url = new URL(location.href);
    for (const [name, value] of Object.entries(wish())) {
      if (value === NO_WISH[name]) url.searchParams.delete(name);
      else url.searchParams.set(name, value);
    }
    replaceAddress(url);
  }

  const counted = () => ['class', 'state', 'min'].filter((name) => fields[name].value !== '').length;
  function mark() {
    const count = counted();
    more.querySelector('summary').textContent = count ? 'Filters (' + count + ')' : 'Filters';
  }

  function clear() {
    for (const [name, usual] of Object.entries(NO_WISH)) if (name !== 'sort') fields[name].value = usual;
    changed();
  }

  let timer = null;
  function changed() {
    mark();
    onChange(true);
    clearTimeout(timer);
    timer = setTimeout(write, 250); // browsers limit how often the address may change
  }
  form.addEventListener('input', () => {
    if (fields.min.checkValidity()) changed();
  });
  form.addEventListener('submit', (event) => event.preventDefault());
  listen({
    restored(query) {
      read(query);
      onChange(false);
    },
    status({ library }) {
      offerClasses(fields.class, library.map((entry) => entry.label)); // prettier-ignore
      form.hidden = !library.length;
    },
  });
  return { wish, clear };
}
