// The strips above the curves: this reviewer's segments, and a thin one for every other reviewer. And who agrees.
const OTHER_PX = 12;

const otherRows = (review) => (review.others ?? []).slice(0, 3);

// `span` turns seconds into { from, to, hidden } in px.
function stripBlock(mark, className, span) {
  const { from, to, hidden } = span(mark);
  const made = make('span', className, STATES[mark.state][0] + ' ' + mark.label);
  made.dataset.state = mark.state;
  made.style.left = from + 'px';
  made.style.width = Math.max(3, to - from) + 'px';
  made.hidden = hidden;
  return made;
}

function writeStrips(review, span) {
  find('.rv-strip').replaceChildren(
    ...review.misses.map((m) => stripBlock(m, 'rv-block rv-near', span)),
    ...review.marks.map((m) => stripBlock(m, 'rv-block', span)),
  );
  const others = find('.rv-others');
  others.replaceChildren(
    ...otherRows(review).map(({ marks }) => {
      const made = make('div');
      made.append(...marks.map((m) => stripBlock(m, 'rv-block', span)));
      return made;
    }),
  );
}

// Their names, beside the lanes.
function otherNames(review) {
  return otherRows(review).map(({ reviewer }, i) => {
    const made = make('span', 'rv-lane rv-othername', reviewer);
    made.style.top = STRIP_PX + 2 + OTHER_PX * (i + 0.5) + 'px';
    made.title = 'Decided by ' + reviewer;
    return made;
  });
}

function showAgreement({ others = [] }) {
  find('.rv-agree').replaceChildren(
    ...others.map(({ reviewer, agreement: a }) => {
      const row = make('tr');
      const cell = make('td', '', 'Agreement with ' + reviewer + ': ');
      cell.colSpan = 6;
      const kappa = a.kappa === null ? 'no κ' : 'κ ' + a.kappa.toFixed(2);
      const same = a.both_confirmed + a.both_dismissed;
      cell.append(make('b', '', kappa), a.kappa === null ? ' (' + a.reason + ')' : '');
      if (a.n) cell.append(', n = ' + a.n + ', ' + same + ' the same');
      cell.title =
        'Cohen’s κ over the segments both decided. Both confirmed ' + a.both_confirmed + ', both dismissed ' +
        a.both_dismissed + ', only you confirmed ' + a.only_first_confirmed + ', only ' + reviewer + ' confirmed ' +
        a.only_second_confirmed; // prettier-ignore
      row.append(cell);
      return row;
    }),
  );
}
