// The review list: segments as the reviewer decided them, and near misses. Python makes it; this shows and walks it.
const STATES = { open: ['○', 'Open'], confirmed: ['✓', 'Confirmed'], dismissed: ['✕', 'Dismissed'] };

function makeSegments({ onGo, onCut, onSift }) {
  const form = find('.rv-cut');
  const table = find('.rv-table');
  let marks = [];
  let misses = [];
  let inHand = null; // id of the selected one, which stays in the table even when it no longer fits the filters
  const sift = makeSegmentSift({
    onChange() {
      onSift();
      draw();
    },
  });

  const cut = () => Object.fromEntries([...form.elements].filter((i) => i.name).map((i) => [i.name, Number(i.value)]));
  const all = () => [...marks, ...misses];
  const byId = (id) => all().find((m) => m.id === id);
  const numberOf = (id) => marks.findIndex((m) => m.id === id) + 1; // 0: a near miss
  const isShown = (m) => sift.fits(m) || m.id === inHand;
  const listed = (list) => sift.sorted(list.filter(isShown));

  function classCell(mark) {
    const cell = make('td', 'rv-class', mark.label);
    if (mark.model_label && mark.label !== mark.model_label)
      cell.append(make('small', '', 'model: ' + mark.model_label));
    if (!mark.model_label) cell.append(make('small', '', 'by hand'));
    if (mark.note) cell.append(make('small', 'rv-noted', '✎ ' + mark.note));
    if (!sift.fits(mark)) cell.append(make('small', '', 'filtered out'));
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
    made.tabIndex = -1; // one row is a stop of the Tab key, and the arrows go on from there
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
    const shown = (list, near_miss) => list.map((mark) => ({ ...mark, score: mark.model_score, near_miss }));
    marks = shown(answer.marks, false);
    misses = shown(answer.misses, true);
    sift.offer(all().map((m) => m.label));
    draw(answer.threshold);
    showCount();
  }

  function draw(threshold = cut().threshold) {
    const focused = document.activeElement?.closest?.('.rv-table tr[data-id]')?.dataset.id;
    const [standing, near] = [listed(marks), listed(misses)];
    find('.rv-flagged').replaceChildren(...standing.map((m) => row(m, String(numberOf(m.id)))));
    find('.rv-misses').replaceChildren(...(near.length ? [missHead()] : []), ...near.map((m) => row(m, '·')));
    point();
    if (focused) (rowOf(focused) ?? rowOf(inHand))?.focus({ preventScroll: true });
    sift.say(standing.length, marks.length);
    find('.rv-nothing').textContent = standing.length ? '' : whyNone(threshold);
  }

  function whyNone(threshold) {
    if (marks.length) return 'No segment fits these filters.';
    const said = 'Nothing reaches ' + threshold.toFixed(2) + '. Lower the threshold to see the next candidates';
    return said + (misses.length ? ', or look at the near misses.' : '.');
  }

  const rowOf = (id) => [...table.querySelectorAll('tr[data-id]')].find((made) => made.dataset.id === id);

  // Marks the row of the selected one, and lets Tab stop there, or else at the first.
  function point() {
    for (const made of table.querySelectorAll('tr[data-id]')) {
      made.tabIndex = -1;
      made.removeAttribute('aria-current');
    }
    const made = rowOf(inHand);
    made?.setAttribute('aria-current', 'true');
    const stop = made ?? table.querySelector('tr[data-id]');
    if (stop) stop.tabIndex = 0;
    return made;
  }

  function mark(selected) {
    const before = byId(inHand);
    const followed = rowOf(inHand)?.contains(document.activeElement); // the focus goes along with the selection
    inHand = selected?.id ?? null;
    if ([before, selected].some((m) => m && !sift.fits(m))) draw();
    const made = point();
    if (followed) made?.focus({ preventScroll: true });
    made?.scrollIntoView({ block: 'nearest' });
  }

  // The next one down or up the list; in order of time, from where playback is.
  function neighbour(time, direction) {
    const list = direction > 0 ? listed(marks) : listed(marks).reverse();
    const from = sift.inTime() ? 0 : list.findIndex((m) => m.id === inHand) + 1;
    const beyond = (m) => !sift.inTime() || direction * (m.start_s - time) > 0.05;
    return list.slice(from).find((m) => beyond(m) && (m.state !== 'dismissed' || sift.wants('dismissed')));
  }

  // Ids of those listed after the one with that id, and then of those before it.
  function ahead(id) {
    const ids = listed(marks).map((m) => m.id);
    const i = ids.indexOf(id);
    return [...ids.slice(i + 1), ...ids.slice(0, Math.max(i, 0))];
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
    ahead,
    isShown,
    fits: sift.fits,
    inside,
    byId,
    at: (time) => all().find((m) => sift.fits(m) && inside(m, time)), // playback passes by what is filtered out
    under: (time) => all().find((m) => inside(m, time)),
    number: numberOf,
    marks: () => marks,
    setThreshold: (value) => {
      form.elements.threshold.value = value.toFixed(2);
    },
    setCut: (values) => {
      for (const [name, value] of Object.entries(values)) form.elements[name].value = value;
    },
    setScoreName: (name) => {
      find('.rv-sortby[data-sort="peak"]').textContent = name;
    },
  };
}
