// The list of clips: one row each, kept while nothing of it changes, so that hundreds stay quick.
function makeShelf({ onOpen, onAnalyse, onCancel, onRemove }) {
  const list = find('.rv-shelf');
  const rows = new Map(); // by analysis, or by clip where there is none: {row, told}

  function when(iso) {
    const date = new Date(iso);
    const today = date.toDateString() === new Date().toDateString();
    return today
      ? date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
      : date.toLocaleDateString([], { day: 'numeric', month: 'short' });
  }
  const plural = (count, word) => count + ' ' + word + (count === 1 ? '' : 's');

  // What is said of a clip: [its score or state, a second line, the share done or null].
  function words(entry, state) {
    const { work, review, segments } = entry;
    if (state === 'waiting') return ['waiting', 'Waits for the clips before it', null];
    if (state === 'analysing') {
      if (work.stopping) return ['stopping', '', null];
      const share = work.total && work.done ? clamp(work.done / work.total, 0, 1) : null;
      const stage = STAGES[work.stage] ?? work.stage;
      return ['analysing', stage + (share === null ? '' : ' · ' + Math.round(100 * share) + ' %'), share];
    }
    if (state === 'failed') return ['failed', work?.error || entry.error, null];
    if (state === 'unseen') return ['not analysed', '', null];
    const score = (entry.trained ? 'peak ' : 'untrained ') + entry.peak.toFixed(2);
    if (segments === null) return [score, '', null];
    if (state === 'quiet') return [score, 'no segments', null];
    const count = review ? reviewWords(review) : plural(segments, 'segment');
    return [score, count + ' · ' + entry.label, null];
  }
  function reviewWords({ left, decided, reviewer }) {
    const by = reviewer ? ' · ' + reviewer : '';
    return (left ? left + ' of ' + (left + decided) + ' left' : 'all ' + decided + ' reviewed') + by;
  }

  function action(className, text, label, act) {
    const button = make('button', className, text);
    button.type = 'button';
    button.setAttribute('aria-label', label);
    button.title = label;
    button.addEventListener('click', act);
    return button;
  }

  function draw(row, entry, current) {
    const state = stateOf(entry);
    const [score, text, share] = words(entry, state);
    row.className = 'rv-item rv-is-' + state;
    const button = make('button', 'rv-entry');
    button.type = 'button';
    const facts = make('span', 'rv-entryfacts');
    facts.append(
      make('span', '', clock(entry.duration_s, 0)),
      make('span', 'rv-standing', score),
      make('time', '', when(entry.added)),
    );
    button.append(make('span', 'rv-name', entry.name), facts);
    if (text) button.append(make('span', 'rv-what', text));
    if (state === 'analysing') {
      const bar = make('span', share === null ? 'rv-bar1 rv-unknown' : 'rv-bar1');
      bar.append(make('i', 'rv-bit'));
      if (share !== null) bar.firstChild.style.width = 100 * share + '%';
      button.append(bar);
    }
    button.title = [entry.name, entry.model_id, state === 'failed' ? text : ''].filter(Boolean).join(' · ');
    if (current) button.setAttribute('aria-current', 'true');
    button.addEventListener('click', () =>
      onOpen(entry.analysis_id ? { analysis_id: entry.analysis_id } : { clip: entry.clip }),
    );
    const acts = [];
    if (state === 'analysing' || state === 'waiting')
      acts.push(action('rv-link', 'Cancel', 'Cancel the analysis of ' + entry.name, () => onCancel(entry)));
    if (state === 'unseen' || state === 'failed') {
      const verb = state === 'failed' ? 'Try again' : 'Analyse';
      acts.push(action('rv-link', verb, verb + ': ' + entry.name, () => onAnalyse(entry)));
    }
    acts.push(action('rv-away', '×', 'Remove ' + entry.name, () => onRemove(entry)));
    const held = row.contains(document.activeElement) ? document.activeElement.className : null;
    row.replaceChildren(button, ...acts);
    if (held) (row.querySelector('.' + held.replace(/ /g, '.')) ?? button).focus();
  }

  // `isOpen` tells the entry that is on screen.
  function show(entries, isOpen) {
    const wanted = entries.map((entry) => {
      const key = entry.analysis_id ?? entry.clip;
      const current = isOpen(entry);
      const told = JSON.stringify([entry, current, new Date().toDateString()]);
      let kept = rows.get(key);
      if (!kept) rows.set(key, (kept = { row: make('li') }));
      if (kept.told !== told) draw(kept.row, entry, current);
      kept.told = told;
      return kept.row;
    });
    const shown = new Set(wanted);
    for (const [key, { row }] of rows) if (!shown.has(row)) rows.delete(key);
    const same = wanted.length === list.children.length && wanted.every((row, i) => row === list.children[i]);
    if (same) return;
    const held = document.activeElement;
    const place = [...list.children].findIndex((row) => row.contains(held));
    list.replaceChildren(...wanted);
    if (place < 0) return;
    if (held.isConnected) held.focus({ preventScroll: true });
    else (list.children[place] ?? list.lastElementChild)?.querySelector('.rv-entry').focus();
  }

  list.addEventListener('keydown', (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const buttons = [...list.querySelectorAll('.rv-entry')];
    const here = buttons.indexOf(event.target.closest('li').querySelector('.rv-entry'));
    buttons[here + step]?.focus();
    event.preventDefault();
  });
  return { show };
}
