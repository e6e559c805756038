// The strips above the curves: this reviewer's segments, and a thin one for every other reviewer. And who agrees.
const OTHER_PX = 12;

const otherRows = (review) => (review.others ?? []).slice(0, 3);

// The segment in hand is ringed.
let inHand = null;
function ring(on) {
  if (inHand !== null) find('.rv-strip [data-id="' + CSS.escape(inHand) + '"]')?.classList.toggle('rv-inhand', on);
}
parts.push({
  selected(segment) {
    ring(false);
    inHand = segment?.id ?? null;
    ring(true);
  },
});

// Makes the blocks of all strips: [{ segment, made }], for the timeline to place.
function writeStrips(review) {
  const block = (className) => (segment) => {
    const made = make('span', className, STATES[segment.state][0] + ' ' + segment.label);
    made.dataset.state = segment.state;
    made.dataset.id = segment.id;
    return { segment, made };
  };
  const mine = [...review.misses.map(block('rv-block rv-near')), ...review.marks.map(block('rv-block'))];
  const theirs = otherRows(review).map(({ marks }) => marks.map(block('rv-block')));
  find('.rv-strip').replaceChildren(...mine.map(({ made }) => made));
  ring(true);
  find('.rv-others').replaceChildren(
    ...theirs.map((blocks) => {
      const row = make('div');
      row.append(...blocks.map(({ made }) => made));
      return row;
    }),
  );
  return [mine, ...theirs].flat();
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
