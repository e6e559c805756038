// The table of flagged segments and near misses. Python cuts them; this only shows and walks them.
function makeSegments({ onGo, onCut }) {
  const form = find('.rv-cut');
  const flaggedBody = find('.rv-flagged');
  const missBody = find('.rv-misses');
  let flagged = [];
  let misses = [];

  const cut = () => Object.fromEntries([...form.elements].filter((i) => i.name).map((i) => [i.name, Number(i.value)]));
  const all = () => [...flagged, ...misses];

  function row(segment, index, number) {
    const made = make('tr');
    made.tabIndex = 0;
    made.dataset.index = index;
    const peak = make('td', 'rv-peak');
    const meter = make('span', 'rv-meter');
    meter.style.setProperty('--share', segment.score);
    peak.append(meter, make('span', '', segment.score.toFixed(2)));
    made.append(
      make('td', '', number),
      make('td', '', clock(segment.start_s, 1)),
      make('td', '', clock(segment.end_s, 1)),
      make('td', 'rv-class', segment.label),
      peak,
    );
    made.title =
      segment.label +
      ', ' +
      Math.round(segment.label_prob * 100) +
      ' % among the anomaly classes; peak at ' +
      clock(segment.peak_s);
    return made;
  }

  function show(answer) {
    flagged = answer.segments;
    misses = answer.near_misses;
    flaggedBody.replaceChildren(...flagged.map((s, i) => row(s, i, String(i + 1))));
    const rows = misses.map((s, i) => row(s, flagged.length + i, '·'));
    if (rows.length) {
      const head = make('tr', 'rv-misshead');
      const cell = make('th', '', 'Near misses, below the threshold');
      cell.colSpan = 5;
      cell.scope = 'colgroup';
      head.append(cell);
      rows.unshift(head);
    }
    missBody.replaceChildren(...rows);
    const review = flagged.reduce((sum, s) => sum + s.end_s - s.start_s, 0);
    const many = flagged.length === 1 ? '1 segment' : flagged.length + ' segments';
    find('.rv-count').textContent = flagged.length ? many + ', ' + clock(review, 0) + ' to review' : 'No segments';
    find('.rv-nothing').textContent = flagged.length
      ? ''
      : 'Nothing reaches ' +
        answer.threshold.toFixed(2) +
        '. Lower the threshold to see the next candidates' +
        (misses.length ? ', or look at the near misses.' : '.');
  }

  function mark(time) {
    for (const made of element.querySelectorAll('.rv-table tr[data-index]')) {
      const segment = all()[made.dataset.index];
      const inside = time >= segment.start_s - 1e-3 && time < segment.end_s - 1e-3;
      if (inside === (made.getAttribute('aria-current') === 'true')) continue;
      if (inside) {
        made.setAttribute('aria-current', 'true');
        made.scrollIntoView({ block: 'nearest' });
      } else made.removeAttribute('aria-current');
    }
  }

  function neighbour(time, direction) {
    if (direction > 0) return flagged.find((s) => s.start_s > time + 0.05);
    return flagged.findLast((s) => s.start_s < time - 0.05);
  }

  const at = (time) => all().find((s) => time >= s.start_s - 1e-3 && time < s.end_s);

  const table = find('.rv-table');
  const goRow = (target) => {
    const made = target.closest('tr[data-index]');
    if (made) onGo(all()[made.dataset.index]);
  };
  table.addEventListener('click', (event) => goRow(event.target));
  table.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') goRow(event.target);
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
    const rows = [...table.querySelectorAll('tr[data-index]')];
    rows[rows.indexOf(event.target) + (event.key === 'ArrowDown' ? 1 : -1)]?.focus();
    event.preventDefault();
  });
  form.addEventListener('submit', (event) => event.preventDefault());
  form.addEventListener('input', () => {
    if (form.checkValidity()) onCut();
  });

  return {
    cut,
    show,
    mark,
    neighbour,
    at,
    all,
    setThreshold: (value) => {
      form.elements.threshold.value = value.toFixed(2);
    },
    setCut: (values) => {
      for (const [name, value] of Object.entries(values)) form.elements[name].value = value;
    },
    setScoreName: (name) => {
      find('thead .rv-peak').textContent = name;
    },
  };
}
