// Who agrees with this reviewer, below the list.
import { find, make } from '../lib/dom.js';
import { signed } from '../lib/format.js';

export function showAgreement({ others = [] }) {
  find('.rv-agree').replaceChildren(
    ...others.map(({ reviewer, agreement: a }) => {
      const row = make('tr');
      const cell = make('td', '', 'Agreement with ' + reviewer + ': ');
      cell.colSpan = 6;
      const same = a.both_confirmed + a.both_dismissed;
      const kappa = a.kappa === null ? 'no κ: ' + a.reason : 'κ ' + signed(a.kappa);
      if (a.n) cell.append(make('b', '', same + ' of ' + a.n + ' decided alike'), ', ' + kappa);
      else cell.append(a.reason);
      cell.title =
        'Cohen’s κ over the segments both decided. Both confirmed ' + a.both_confirmed + ', both dismissed ' +
        a.both_dismissed + ', only you confirmed ' + a.only_first_confirmed + ', only ' + reviewer + ' confirmed ' +
        a.only_second_confirmed; // prettier-ignore
      row.append(cell);
      return row;
    }),
  );
}
