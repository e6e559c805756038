// Taking a review away as files, and bringing one back: a button beside the clip's title and the dialog it opens.
// Another button, in the library, takes the decisions on all clips away as training labels by the same dialog.
// `question` gives what every question about a review says: { analysis_id, reviewer } and how segments are cut.
function makeExport({ question, onTaken }) {
  const KINDS = [
    ['html', 'Report', 'HTML: curve, pictures, decisions; prints to PDF', true],
    ['csv', 'Table', 'CSV, in seconds and frames; can be brought back', true],
    ['json', 'Data', 'JSON, with the model and the clip; can be brought back', false],
    ['vtt', 'Chapters', 'WebVTT, for players', false],
    ['edl', 'Edit list', 'EDL (CMX3600), for editing programs', false],
    ['clips', 'Clips', 'one MP4 for each segment', false],
    ['reel', 'Highlight reel', 'the confirmed segments, joined to one MP4', false],
    ['figures', 'Figures', 'for papers: PDF, SVG and PNG of curve, map, similarity, saliency', false],
  ];
  const WORDS = {
    pictures: 'Taking pictures',
    clips: 'Cutting clips',
    reel: 'Joining the reel',
    'reading decisions': 'Reading decisions',
    'placing snippets': 'Placing snippets on a map',
    'drawing figures': 'Drawing figures',
    packing: 'Packing',
  };
  const OF_ALL =
    'The decisions on every reviewed clip, with the features they were made on. They adapt the model to your footage: ' +
    'python -m cmhkf train --finetune demo --labels FILE --out FOLDER';
  let job = null;
  let ofAll = false; // whether the dialog is about all clips
  let file = null; // what was chosen to be brought back: { name, text }

  function button(className, text, onClick) {
    const made = make('button', 'rv-btn ' + className, text);
    made.type = 'button';
    made.addEventListener('click', onClick);
    return made;
  }

  function choice(name, text, hint, checked) {
    const label = make('label', 'rv-exportchoice');
    const input = make('input');
    Object.assign(input, { type: 'checkbox', name, checked });
    const words = make('span');
    words.append(make('b', '', text), make('small', '', hint));
    label.append(input, words);
    return label;
  }

  // The dialog ------------------------------------------------------------------------------------------------------
  const opener = button('rv-small rv-takeaway', 'Export', () => show(false));
  opener.setAttribute('aria-haspopup', 'dialog');
  opener.hidden = true;
  find('.rv-title').after(opener);
  const allOpener = button('rv-small rv-takelabels', 'Export training labels', () => show(true));
  allOpener.setAttribute('aria-haspopup', 'dialog');
  allOpener.hidden = true;
  find('.rv-keep').before(allOpener);

  const dialog = make('dialog', 'rv-export');
  dialog.setAttribute('aria-labelledby', 'rv-export-title');
  const title = make('h2', '', 'Export');
  title.id = 'rv-export-title';
  const clipName = make('p', 'rv-exportclip');
  const form = make('form');
  const files = make('fieldset');
  files.append(make('legend', '', 'Files'), ...KINDS.map((kind) => choice(...kind)));
  const dismissed = choice(
    'with_dismissed',
    'Include dismissed segments',
    'in report, table and data; never in chapters, edit list, clips and reel',
    true,
  );
  dismissed.classList.add('rv-exportwide');
  const bar = make('div', 'rv-progress');
  bar.setAttribute('role', 'progressbar');
  bar.setAttribute('aria-label', 'Progress of the export');
  bar.append(make('i'));
  const said = make('p', 'rv-exportsaid');
  said.setAttribute('role', 'status');
  const link = make('a', 'rv-btn rv-open');
  const go = make('button', 'rv-btn rv-open', 'Export');
  go.type = 'submit';
  const stop = button('', 'Cancel', () => ask('export_cancel', { job }).catch(fail));
  const close = button('', 'Close', () => dialog.close());
  const acts = make('p', 'rv-exportacts');
  acts.append(go, link, stop, close);
  form.append(files, dismissed, bar, said, acts);

  const back = make('section', 'rv-exportback');
  const picker = make('input');
  Object.assign(picker, { type: 'file', accept: '.csv,.json,text/csv,application/json', hidden: true, tabIndex: -1 });
  picker.setAttribute('aria-label', 'Exported table or data');
  const choose = button('', 'Choose a file…', () => picker.click());
  const found = make('p', 'rv-exportsaid');
  found.setAttribute('role', 'status');
  const take = button('rv-open', 'Bring back', bringBack);
  const backActs = make('p', 'rv-exportacts');
  backActs.append(choose, take);
  back.append(
    make('h3', '', 'Bring decisions back'),
    make('p', 'rv-exporthint', 'Drop a table or data file here that was exported earlier, or choose one.'),
    backActs,
    found,
    picker,
  );
  dialog.append(title, clipName, form, back);
  find('.rv').append(dialog);

  function show(all) {
    if (!job) {
      ofAll = all;
      title.textContent = all ? 'Export training labels' : 'Export';
      clipName.textContent = all ? OF_ALL : find('.rv-title').textContent;
      files.hidden = dismissed.hidden = back.hidden = all;
      rest('');
    }
    forget();
    dialog.showModal();
  }

  // Out -------------------------------------------------------------------------------------------------------------
  const chosen = () => KINDS.map(([name]) => name).filter((name) => form.elements[name].checked);

  function rest(text, failed = false) {
    job = null;
    files.disabled = false;
    bar.hidden = stop.hidden = true;
    go.hidden = false;
    link.hidden = true;
    said.classList.toggle('rv-exportfailed', failed);
    said.textContent = text || hint();
    go.disabled = !ofAll && chosen().length === 0;
    handOver(stop, go);
  }
  const fail = (error) => rest(error.message, true);

  function hint() {
    if (ofAll) return '';
    const kinds = chosen();
    if (!kinds.length) return 'Choose at least one file.';
    const zipped = kinds.length > 1 || ['clips', 'figures'].includes(kinds[0]);
    return zipped ? 'You get one zip, with SHA-256 checksums of what is in it.' : '';
  }

  function working(step) {
    files.disabled = true;
    go.hidden = link.hidden = true;
    bar.hidden = stop.hidden = false;
    handOver(go, stop);
    said.classList.remove('rv-exportfailed');
    const share = step.total ? clamp(step.done / step.total, 0, 1) : null;
    bar.classList.toggle('rv-unknown', share === null);
    bar.firstElementChild.style.width = (share ?? 0) * 100 + '%';
    if (share === null) bar.removeAttribute('aria-valuenow');
    else bar.setAttribute('aria-valuenow', Math.round(share * 100));
    const words = step.state === 'queued' ? 'Waiting for the export before it' : (WORDS[step.stage] ?? 'Writing');
    said.textContent = words + (step.message ? ', ' + step.message : '') + '…';
  }

  function ready(url) {
    const name = decodeURIComponent(url.split('/').pop());
    rest(name + ' is ready.');
    link.hidden = false;
    go.hidden = true;
    link.href = address(url);
    link.download = name;
    link.textContent = 'Save ' + name;
    link.focus();
  }

  async function begin() {
    const wanted = { kinds: chosen(), with_dismissed: form.elements.with_dismissed.checked };
    working({ total: null });
    let step = ofAll ? await ask('export_labels', question()) : await ask('export', { ...question(), ...wanted });
    const mine = (job = step.job);
    while (job === mine) {
      if (step.state === 'done') return ready(step.result);
      if (step.state === 'failed') return rest(step.error, true);
      if (step.state === 'cancelled') return rest('Cancelled.');
      working(step);
      await pause(300);
      step = await ask('export_job', { job: mine });
    }
  }

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    begin().catch(fail);
  });
  form.addEventListener('change', () => {
    if (!job) rest('');
  });

  // Back ------------------------------------------------------------------------------------------------------------
  function forget(text = '', failed = false) {
    file = null;
    handOver(take, choose);
    take.hidden = true;
    found.textContent = text;
    found.classList.toggle('rv-exportfailed', failed);
  }

  async function preview(blob) {
    forget('Reading ' + blob.name + '…');
    const read = { name: blob.name, text: await blob.text() };
    const facts = await ask('import_preview', { analysis_id: open.analysis, ...read });
    const states = Object.entries(facts.states).filter(([, n]) => n);
    const parts = [facts.n + (facts.n === 1 ? ' segment' : ' segments'), ...states.map(([s, n]) => n + ' ' + s)];
    if (facts.reviewers.length) parts.push('by ' + facts.reviewers.join(', '));
    const other = 'Made of another file than this clip' + (facts.clip_name ? ' (' + facts.clip_name + ')' : '') + '. ';
    forget((facts.same_clip ? '' : other) + blob.name + ': ' + parts.join(', ') + '.', !facts.same_clip);
    if (!facts.n) return;
    file = read;
    take.hidden = false;
    take.textContent = facts.same_clip ? 'Bring back' : 'Bring back all the same';
  }

  async function bringBack() {
    const { n } = await ask('import_marks', { ...question(), ...file }).catch((error) => {
      forget(error.message, true);
      return {};
    });
    if (n === undefined) return;
    forget(n === 1 ? '1 segment was taken in.' : n + ' segments were taken in.');
    onTaken();
  }

  const look = (blob) => preview(blob).catch((error) => forget(error.message, true));
  picker.addEventListener('change', () => {
    if (picker.files[0]) look(picker.files[0]);
    picker.value = '';
  });
  for (const kind of ['dragover', 'dragleave', 'drop'])
    dialog.addEventListener(kind, (event) => {
      event.preventDefault();
      event.stopPropagation(); // it is no video
      back.classList.toggle('rv-exportover', kind === 'dragover');
      if (kind === 'drop' && event.dataTransfer.files[0]) look(event.dataTransfer.files[0]);
    });

  parts.push({
    listed: (entries) => {
      allOpener.hidden = !entries.some((entry) => entry.review?.decided);
    },
    opened: () => {
      opener.hidden = false;
    },
    closed: () => {
      opener.hidden = true;
      if (ofAll) return;
      job = null;
      if (dialog.open) dialog.close();
    },
  });
}
