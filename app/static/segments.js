// The review list: segments as the reviewer decided them, and near misses. Python makes it; this shows and walks it.
const STATES = { open: ['○', 'Open'], confirmed: ['✓', 'Confirmed'], dismissed: ['✕', 'Dismissed'] };

function makeSegments({ onGo, onCut }) {
  const form = find('.rv-cut');
  const table = find('.rv-table');
  let marks = [];
  let misses = [];

  const cut = () => Object.fromEntries([...form.elements].filter((i) => i.name).map((i) => [i.name, Number(i.value)]));
  const all = () => [...marks, ...misses];
  const byId = (id) => all().find((m) => m.id === id);

  function classCell(mark) {
    const cell = make('td', 'rv-class', mark.label);
    if (mark.model_label && mark.label !== mark.model_label)
      cell.append(make('small', '', 'model: ' + mark.model_label));
    if (!mark.model_label) cell.append(make('small', '', 'by hand'));
    if (mark.note) cell.append(make('small', 'rv-noted', '✎ ' + mark.note));
    cell.title = [mark.label, 'Model: ' + (mark.model_label || 'nothing flagged'), mark.note].filter(Boolean).join('\n');
    return cell;
  }

  function stateCell({ state }) {
    const cell = make('td', 'rv-statecell');
    const [icon, word] = STATES[state];
    cell.dataset.state = state;
    const sign = make('b', '', icon);
    sign.setAttribute('aria-hidden', 'true');
    const letter = make('span', '', word[0]);
    letter.setAttribute('aria-hidden', 'true');
    cell.append(sign, letter, make('span', 'rv-off', word));
    cell.title = word;
    return cell;
  }

  function peakCell(mark) {
    const cell = make('td', 'rv-peak', mark.score === null ? '–' : mark.score.toFixed(2));
    if (mark.score === null) return cell;
    cell.style.setProperty('--share', mark.score);
    cell.title = 'Peak at ' + clock(mark.peak_s);
    return cell;
  }

  function row(mark, number) {
    const made = make('tr');
    made.tabIndex = 0;
    made.dataset.id = mark.id;
    made.dataset.state = mark.state;
    made.append(
      make('td', '', number),
      make('td', '', clock(mark.start_s, 1)),
      make('td', '', clock(mark.end_s, 1)),
      classCell(mark),
      stateCell(mark),
      peakCell(mark),
    );
    return made;
  }

  function missHead() {
    const head = make('tr', 'rv-misshead');
    const cell = make('th', '', 'Near misses, below the threshold');
    cell.colSpan = 6;
    cell.scope = 'colgroup';
    head.append(cell);
    return head;
  }

  function showCount() {
    const left = marks.filter((m) => m.state === 'open');
    const seconds = left.reduce((sum, m) => sum + m.end_s - m.start_s, 0);
    const many = left.length + ' of ' + marks.length + ' left';
    find('.rv-count').textContent = !marks.length
      ? 'No segments'
      : left.length
        ? many + ' · ' + clock(seconds, 0) + ' to review'
        : many + ' · all decided';
  }

  function show(answer) {
    const focused = document.activeElement?.closest?.('.rv-table tr[data-id]')?.dataset.id;
    const shown = (list, near_miss) => list.map((mark) => ({ ...mark, score: mark.model_score, near_miss }));
    marks = shown(answer.marks, false);
    misses = shown(answer.misses, true);
    find('.rv-flagged').replaceChildren(...marks.map((m, i) => row(m, String(i + 1))));
    find('.rv-misses').replaceChildren(...(misses.length ? [missHead()] : []), ...misses.map((m) => row(m, '·')));
    if (focused) rowOf(focused)?.focus({ preventScroll: true });
    showCount();
    find('.rv-nothing').textContent = marks.length
      ? ''
      : 'Nothing reaches ' +
        answer.threshold.toFixed(2) +
        '. Lower the threshold to see the next candidates' +
        (misses.length ? ', or look at the near misses.' : '.');
  }

  const rowOf = (id) => [...table.querySelectorAll('tr[data-id]')].find((made) => made.dataset.id === id);

  function mark(selected) {
    for (const made of table.querySelectorAll('tr[aria-current]')) made.removeAttribute('aria-current');
    const made = selected && rowOf(selected.id);
    if (!made) return;
    made.setAttribute('aria-current', 'true');
    made.scrollIntoView({ block: 'nearest' });
  }

  function neighbour(time, direction) {
    const standing = marks.filter((m) => m.state !== 'dismissed');
    if (direction > 0) return standing.find((m) => m.start_s > time + 0.05);
    return standing.findLast((m) => m.start_s < time - 0.05);
  }

  // After the one at that place in the list, or else from the beginning.
  function nextOpen(id) {
    const i = marks.findIndex((m) => m.id === id);
    return [...marks.slice(i + 1), ...marks.slice(0, i + 1)].find((m) => m.state === 'open');
  }

  const inside = (m, time) => time >= m.start_s - 1e-3 && time < m.end_s - 1e-3;

  const goRow = (target) => {
    const made = target.closest('tr[data-id]');
    if (made) onGo(byId(made.dataset.id));
  };
  table.addEventListener('click', (event) => goRow(event.target));
  table.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') goRow(event.target);
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
    const rows = [...table.querySelectorAll('tr[data-id]')];
    rows[rows.indexOf(event.target) + (event.key === 'ArrowDown' ? 1 : -1)]?.focus();
    event.preventDefault();
  });
  form.addEventListener('submit', (event) => event.preventDefault());
  form.addEventListener('input', () => {
    if (form.checkValidity()) onCut();
  });

  return {
    cut,
    all,
    show,
    mark,
    neighbour,
    nextOpen,
    inside,
    byId,
    at: (time) => all().find((m) => inside(m, time)),
    number: (id) => marks.findIndex((m) => m.id === id) + 1, // 0: a near miss
    marks: () => marks,
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
