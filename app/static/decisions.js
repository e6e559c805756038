// Decisions: what a key or a button asks Python to change, one after the other, and what came of it.
//
// A command waits for the one before it, and looks at the page only when its turn comes: ten quick keys mean what ten
// slow ones mean. The first that fails drops those behind it, for they would hit the wrong segment.
function makeDecisions({ question, segments, selected, now, onReview, onReload, onGo, onSelect }) {
  const said = find('.rv-ack');
  const moveOn = find('.rv-moveon input');
  let review = null; // the newest answer
  let turn = Promise.resolve();
  let era = 0;
  let begun = null; // where a segment added by hand starts

  function acknowledge(text, bad = false) {
    said.textContent = said.title = text;
    said.classList.toggle('rv-failed', bad);
  }

  function inOrder(work) {
    const mine = era;
    turn = turn
      .then(() => mine === era && work())
      .catch((error) => {
        era += 1;
        acknowledge(error.message, true);
        onReload();
      });
  }

  const token = () => [...crypto.getRandomValues(new Uint8Array(8))].map((b) => b.toString(16).padStart(2, '0')).join('');

  // Returns the answer, or null when the user has gone to another clip meanwhile.
  async function send(name, data, words) {
    if (!review) return null;
    const asked = question();
    const answer = await ask(name, { ...asked, revision: review.revision, request: token(), ...data });
    if (!onReview(answer, asked)) return null;
    const left = answer.marks.filter((m) => m.state === 'open').length;
    acknowledge(words(answer) + ' · ' + left + ' left · revision ' + answer.revision);
    return answer;
  }

  const changed = (answer) => answer.changed.map(segments.byId).filter(Boolean);
  const place = (id) => {
    const number = segments.number(id);
    return number ? number + ' of ' + segments.marks().length : 'near miss';
  };

  function need() {
    if (!selected()) acknowledge('Select a segment first: N goes to the next one.');
    return selected();
  }

  // `data` may look at the segment; `words` begin the acknowledgement.
  function decide(action, words, data = () => ({}), then = () => {}) {
    inOrder(async () => {
      const mark = need();
      if (!mark) return;
      const where = place(mark.id);
      const ahead = segments.ahead(mark.id); // before the decision sorts it elsewhere, or filters it out
      const more = data(mark);
      const answer = more && (await send('decide', { action, segment: mark.id, ...more }, () => words + ' ' + where));
      if (answer) then(ahead);
    });
  }

  function goOn(ahead) {
    const next = moveOn.checked && ahead.map(segments.byId).find((m) => m?.state === 'open' && segments.isShown(m));
    if (next) onGo(next);
  }

  function edge(side) {
    const time = now();
    decide('edges', 'Moved the ' + side + ' of', ({ start_s, end_s }) => ({
      start_s: side === 'start' ? time : start_s,
      end_s: side === 'end' ? time : end_s,
    }));
  }

  function label(name) {
    decide('relabel', 'Called ' + name + ':', () => ({ label: name }));
  }

  function byNumber(i) {
    const name = classes()[i];
    if (name) label(name);
    else acknowledge('There is no class ' + i + '; the last is ' + (classes().length - 1) + '.');
  }
  const classes = () => [...find('.rv-label').options].map((option) => option.value).filter(Boolean);

  function add() {
    const time = now();
    if (begun === null) {
      begun = time;
      acknowledge('A segment starts at ' + clock(time) + ': press A again at its end, Esc to give up.');
    } else {
      const start_s = begun;
      begun = null;
      inOrder(async () => {
        const answer = await send('decide', { action: 'add', start_s, end_s: time }, () => 'Added from ' + clock(start_s));
        if (answer) onSelect(changed(answer)[0]);
      });
    }
    find('[data-do="add"]').setAttribute('aria-pressed', String(begun !== null));
  }

  function cancel() {
    if (begun === null) return;
    begun = null;
    find('[data-do="add"]').setAttribute('aria-pressed', 'false');
    acknowledge('Nothing was added.');
  }

  function step(name, done) {
    inOrder(async () => {
      const what = review?.[name];
      if (!what) return acknowledge('Nothing to ' + name + ' on this clip.');
      const [back] = changed((await send(name, {}, () => done + ' ' + what)) ?? { changed: [] });
      if (back && back.id !== selected()?.id) onGo(back); // what was taken back is what to look at
    });
  }

  moveOn.checked = recall('cmhkf-move-on') !== 'no';
  moveOn.addEventListener('change', () => {
    remember('cmhkf-move-on', moveOn.checked ? 'yes' : 'no');
    moveOn.blur(); // keys are off in a field
  });

  parts.push({
    closed() {
      review = null;
      era += 1;
      begun = null;
      find('[data-do="add"]').setAttribute('aria-pressed', 'false');
      acknowledge('');
    },
  });

  const digits = Object.fromEntries(Array.from({ length: 10 }, (_, i) => ['label' + i, () => byNumber(i)]));
  return {
    inOrder,
    cancel,
    label,
    note: (id, text) =>
      inOrder(() => send('decide', { action: 'note', segment: id, note: text }, () => 'Noted on ' + place(id))),
    // A cut made on this page as Python would answer it: the reviewer's own marks, and the segments that none stands for.
    here(answer) {
      const own = (review?.marks ?? []).filter((m) => m.revision);
      const covers = (a, b) =>
        Math.min(a.end_s, b.end_s) - Math.max(a.start_s, b.start_s) >=
        0.5 * Math.min(a.end_s - a.start_s, b.end_s - b.start_s);
      const fresh = (list) =>
        list
          .map((s) => ({ ...s, id: 'p' + Math.round(s.peak_s * 1000), state: 'open', note: '', model_label: s.label,
            model_score: s.score, reviewer: '', revision: 0, decided: '' })) // prettier-ignore
          .filter((s) => !own.some((m) => m.id === s.id || covers(m, s)));
      const marks = [...own, ...fresh(answer.segments)].sort((a, b) => a.start_s - b.start_s || a.end_s - b.end_s);
      return { ...review, ...answer, marks, misses: fresh(answer.near_misses) };
    },
    // Whether an answer is news: one that was overtaken by a decision is not.
    take(answer) {
      if (review && answer.reviewer === review.reviewer && answer.revision < review.revision) return false;
      review = answer;
      return true;
    },
    actions: {
      confirm: () => decide('confirm', 'Confirmed', undefined, goOn),
      dismiss: () => decide('dismiss', 'Dismissed', undefined, goOn),
      reopen: () => decide('reopen', 'Reopened'),
      undo: () => step('undo', 'Undid:'),
      redo: () => step('redo', 'Did again:'),
      edgeStart: () => edge('start'),
      edgeEnd: () => edge('end'),
      split: () => {
        const at_s = now();
        decide('split', 'Split', () => ({ at_s }));
      },
      merge: () => decide('merge', 'Merged with its next:'),
      remove: () => decide('remove', 'Removed'),
      add,
      ...digits,
    },
  };
}
