// Which segments the table lists and in what order: filters by class and state, and the heads of the columns, which sort.
// Each order begins with what a reviewer looks for first; a minus before its name turns it round.
const STATE_ORDER = Object.keys(STATES);
const SEGMENT_ORDERS = {
  time: (a, b) => a.start_s - b.start_s || a.end_s - b.end_s,
  class: (a, b) => a.label.localeCompare(b.label),
  state: (a, b) => STATE_ORDER.indexOf(a.state) - STATE_ORDER.indexOf(b.state),
  peak: (a, b) => (b.score ?? -1) - (a.score ?? -1),
};

function makeSegmentSift({ onChange }) {
  const form = find('.rv-pick');
  const { seg_class: byClass, seg_state: byState } = form.elements;
  const said = form.querySelector('.rv-shown');
  const all = form.querySelector('button');
  const heads = [...element.querySelectorAll('.rv-sortby')];
  let [order, turned] = ['time', false];

  const active = () => Boolean(byClass.value || byState.value);
  const fits = (mark) =>
    (!byClass.value || mark.label === byClass.value) && (!byState.value || mark.state === byState.value);

  function sorted(marks) {
    const turn = turned ? -1 : 1;
    return [...marks].sort((a, b) => turn * SEGMENT_ORDERS[order](a, b) || SEGMENT_ORDERS.time(a, b));
  }

  function showOrder() {
    for (const head of heads) {
      const cell = head.closest('th');
      const down = (order === 'peak') !== turned;
      if (head.dataset.sort === order) cell.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      else cell.removeAttribute('aria-sort');
    }
  }

  // The classes to choose from; the chosen one stays even when no segment has it any more.
  function offer(labels) {
    const names = [...new Set([...labels, byClass.value].filter(Boolean))].sort();
    const now = [...byClass.options].slice(1).map((option) => option.value);
    if (names.join('\n') === now.join('\n')) return;
    const chosen = byClass.value;
    byClass.replaceChildren(byClass.options[0], ...names.map((name) => new Option(name, name)));
    byClass.value = chosen;
  }

  function read() {
    const wanted = new URLSearchParams(location.search);
    offer([wanted.get('seg_class')]);
    byClass.value = wanted.get('seg_class') ?? '';
    byState.value = wanted.get('seg_state') ?? '';
    if (byState.selectedIndex < 0) byState.value = ''; // a word that is none of ours
    const [, minus, name] = /^(-?)(.*)$/.exec(wanted.get('seg_sort') ?? '');
    if (Object.hasOwn(SEGMENT_ORDERS, name)) [order, turned] = [name, minus === '-'];
    showOrder();
  }

  form.addEventListener('change', onChange);
  form.addEventListener('submit', (event) => event.preventDefault());
  all.addEventListener('click', () => {
    byClass.value = byState.value = '';
    onChange();
    byClass.focus(); // the button is gone
  });
  for (const head of heads)
    head.addEventListener('click', () => {
      turned = head.dataset.sort === order && !turned;
      order = head.dataset.sort;
      showOrder();
      onChange();
    });
  parts.push({
    address(query) {
      if (byClass.value) query.set('seg_class', byClass.value);
      if (byState.value) query.set('seg_state', byState.value);
      if (order !== 'time' || turned) query.set('seg_sort', (turned ? '-' : '') + order);
    },
  });
  read();

  return {
    fits,
    sorted,
    offer,
    wants: (state) => byState.value === state,
    inTime: () => order === 'time' && !turned,
    say(shown, total) {
      all.hidden = !active();
      said.textContent = active() ? shown + ' of ' + total + ' shown' : '';
    },
  };
}
