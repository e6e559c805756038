// Which clips the library shows, and in what order: the search, the filters, and their place in the address.
const NO_SIFT = { q: '', sort: 'newest', class: '', state: '', min: '' };

// One word for where a clip stands.
function stateOf(entry) {
  if (entry.work) return { queued: 'waiting', running: 'analysing', failed: 'failed' }[entry.work.state];
  if (!entry.analysis_id) return 'unseen';
  if (entry.error) return 'failed';
  if (entry.segments === 0) return 'quiet';
  return entry.review && entry.review.left === 0 ? 'reviewed' : 'todo';
}
const leftOf = (entry) => entry.review?.left ?? entry.segments ?? -1;

const SORTS = {
  newest: (a, b) => (a.added < b.added ? 1 : a.added > b.added ? -1 : 0),
  name: (a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }),
  peak: (a, b) => (b.peak ?? -1) - (a.peak ?? -1),
  duration: (a, b) => b.duration_s - a.duration_s,
  left: (a, b) => leftOf(b) - leftOf(a),
};

function sifted(entries, wish) {
  const words = wish.q.toLowerCase().split(/\s+/).filter(Boolean);
  const min = wish.min === '' ? -1 : Number(wish.min);
  const kept = entries.filter((entry) => {
    const state = stateOf(entry);
    const name = entry.name.toLowerCase();
    return (
      words.every((word) => name.includes(word)) &&
      (!wish.state || state === wish.state || (wish.state === 'analysing' && state === 'waiting')) &&
      (!wish.class || entry.label === wish.class) &&
      (min < 0 || (entry.peak ?? -1) >= min)
    );
  });
  return kept.sort((a, b) => SORTS[wish.sort](a, b) || SORTS.newest(a, b));
}

function makeSift({ onChange }) {
  const form = find('.rv-sift');
  const more = form.querySelector('details');
  const fields = Object.fromEntries(Object.keys(NO_SIFT).map((name) => [name, form.elements[name]]));
  const wish = () => Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.value]));

  function read() {
    const wanted = new URLSearchParams(location.search);
    for (const [name, usual] of Object.entries(NO_SIFT)) {
      const value = wanted.get(name) ?? usual;
      if (name === 'class' && value) offer([value]);
      fields[name].value = value;
      if (fields[name].value !== value) fields[name].value = usual; // a word that is none of ours
    }
    more.open = counted() > 0;
    mark();
  }

  function write() {
    const url = new URL(location.href);
    for (const [name, value] of Object.entries(wish())) {
      if (value === NO_SIFT[name]) url.searchParams.delete(name);
      else url.searchParams.set(name, value);
    }
    if (url.href !== location.href) history.replaceState(history.state, '', url);
  }

  const counted = () => ['class', 'state', 'min'].filter((name) => fields[name].value !== '').length;
  function mark() {
    const count = counted();
    more.querySelector('summary').textContent = count ? 'Filters (' + count + ')' : 'Filters';
  }

  // The classes to choose from; the chosen one stays even when no clip has it any more.
  function offer(labels) {
    const names = [...new Set([...labels, fields.class.value].filter(Boolean))].sort();
    const now = [...fields.class.options].slice(1).map((option) => option.value);
    if (names.join('\n') === now.join('\n')) return;
    const chosen = fields.class.value;
    fields.class.replaceChildren(fields.class.options[0], ...names.map((name) => new Option(name, name)));
    fields.class.value = chosen;
  }

  function clear() {
    for (const [name, usual] of Object.entries(NO_SIFT)) if (name !== 'sort') fields[name].value = usual;
    changed();
  }

  let timer = null;
  function changed() {
    mark();
    onChange();
    clearTimeout(timer);
    timer = setTimeout(write, 250); // browsers limit how often the address may change
  }
  form.addEventListener('input', () => {
    if (fields.min.checkValidity()) changed();
  });
  form.addEventListener('submit', (event) => event.preventDefault());
  read();
  return { wish, offer, clear, show: (on) => (form.hidden = !on) };
}
