// Filters by class and state over the table, and the heads of its columns, which sort.
import { find, offerClasses } from '../lib/dom.js';
import { focusAfter } from '../lib/focus.js';
import { element } from '../lib/host.js';
import { listen } from '../state.js';
import { fitsFilter, SEGMENT_ORDERS, sortedSegments } from './segment_order.js';

export function makeSegmentFilter({ onChange }) {
  const form = find('.rv-pick');
  const { seg_class: byClass, seg_state: byState } = form.elements;
  const said = form.querySelector('.rv-shown');
  const all = form.querySelector('button');
  const heads = [...element.querySelectorAll('.rv-sortby')];
  let [order, turned] = ['time', false];

  const active = () => Boolean(byClass.value || byState.value);

  function showOrder() {
    for (const head of heads) {
      const cell = head.closest('th');
      const down = (order === 'peak') !== turned;
      if (head.dataset.sort === order) cell.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      else cell.removeAttribute('aria-sort');
    }
  }

  form.addEventListener('change', () => onChange(false));
  form.addEventListener('submit', (event) => event.preventDefault());
  all.addEventListener('click', (press) => {
    byClass.value = byState.value = '';
    onChange(false);
    focusAfter(press, byClass);
  });
  for (const head of heads)
    head.addEventListener('click', () => {
      turned = head.dataset.sort === order && !turned;
      order = head.dataset.sort;
      showOrder();
      onChange(true);
    });
  listen({
    address(query) {
      if (byClass.value) query.set('seg_class', byClass.value);
      if (byState.value) query.set('seg_state', byState.value);
      if (order !== 'time' || turned) query.set('seg_sort', (turned ? '-' : '') + order);
    },
    restored(query) {
      offerClasses(byClass, [query.get('seg_class')]);
      byClass.value = query.get('seg_class') ?? '';
      byState.value = query.get('seg_state') ?? '';
      if (byState.selectedIndex < 0) byState.value = ''; // a word that is none of ours
      const [, minus, name] = /^(-?)(.*)$/.exec(query.get('seg_sort') ?? '');
      [order, turned] = Object.hasOwn(SEGMENT_ORDERS, name) ? [name, minus === '-'] : ['time', false];
      showOrder();
    },
  });

  return {
    fits: (segment) => fitsFilter(segment, { label: byClass.value, state: byState.value }),
    sorted: (list) => sortedSegments(list, order, turned),
    offer: (labels) => offerClasses(byClass, labels),
    wants: (wanted) => byState.value === wanted,
    inTime: () => order === 'time' && !turned,
    say(shown, total) {
      all.hidden = !active();
      said.textContent = active() ? shown + ' of ' + total + ' shown' : '';
    },
  };
}
