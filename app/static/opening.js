// Opening a clip: its picture, its analysis or the work on it, and everything a visitor can bring.
function view(name) {
  root.dataset.view = name;
  library.close();
}

function showModel() {
  const words = {
    queued: 'loading the model…',
    running: 'loading the model…',
    failed: 'model not loaded: ' + status.error,
    cancelled: 'model not loaded',
  };
  const model = find('.rv-model');
  const untrained = status.model === 'ready' && !status.trained;
  const name = status.model_id?.replace(/@.*/, '') ?? status.preset;
  model.replaceChildren(
    make('span', '', name ? 'Model ' + name : ''),
    make('span', 'rv-state', words[status.model] ?? (untrained ? 'NOT TRAINED' : 'trained')),
  );
  model.title = status.error || (status.model_id ?? '');
  model.dataset.state = untrained ? 'untrained' : status.model;
}

let refreshesBegun = 0;
let refreshShown = 0;
async function refresh() {
  const mine = ++refreshesBegun;
  const [model, shelf] = await Promise.all([ask('status'), ask('library')]);
  if (mine < refreshShown) return; // overtaken by a newer one
  refreshShown = mine;
  const loaded = model.model_id !== status.model_id;
  status = { ...model, ...shelf };
  showModel();
  if (loaded && trusted) showTrust(trusted);
  library.show(status.library, open);
  library.showKept(status.keep_days);
}

// After a decision: what is left of the clip stands in the library too. Quick decisions are told once.
let refreshTimer = null;
function refreshSoon() {
  clearTimeout(refreshTimer);
  refreshTimer = setTimeout(() => refresh().catch(() => {}), 500);
}

let trusted = null; // the facts in the trust strip
function showTrust(facts) {
  trusted = facts;
  const rows = [
    ['Model', facts.model_id],
    ['Head', facts.trained ? 'trained' : 'NOT TRAINED'],
    ['Encoders', facts.encoders],
    ['Score', facts.score_source],
    ['Modalities', [...facts.modalities].map((m) => ({ V: 'video', A: 'audio', T: 'text' })[m] ?? m).join(' + ')],
    ['Snippets', facts.n_snippets + ' in ' + facts.n_windows + (facts.n_windows === 1 ? ' window' : ' windows')],
    ['Device', facts.device],
    ['Took', facts.elapsed_s.toFixed(1) + ' s'],
    ['Recipe', facts.recipe_hash],
  ];
  if (facts.calibration) rows.push(['Threshold calibration', facts.calibration]);
  find('.rv-trust').replaceChildren(
    ...rows.map(([name, value]) => {
      const row = make('div', name === 'Head' && !facts.trained ? 'rv-warn' : '');
      row.append(make('dt', '', name), make('dd', '', value));
      if (name === 'Model' && status.model_id && status.model_id !== facts.model_id) row.append(analyseAnew());
      return row;
    }),
  );
}

// The analysis on screen was made by another model than this page's: a way to the page's own.
function analyseAnew() {
  const button = make('button', 'rv-link', 'Analyse with ' + status.model_id);
  button.type = 'button';
  button.addEventListener('click', analyse);
  return button;
}

async function showAnalysis(facts, visit) {
  const scoreName = facts.trained ? 'anomaly score' : 'untrained score';
  open.analysis = facts.analysis_id;
  handOver(find('.rv-work'), find('.rv-hit'));
  root.dataset.work = 'none';
  find('.rv-count').textContent = 'Reading the segments…';
  find('.rv-nothing').textContent = ''; // not known yet: "nothing reaches" would be a finding
  library.show(status.library, open);
  segments.setScoreName(facts.trained ? 'Peak' : 'Untrained peak');
  showTrust(facts);
  transport.setLength(facts.duration_s);
  find('.rv-end').textContent = clock(facts.duration_s);
  const response = await fetch(address(facts.curves_url));
  if (!response.ok)
    throw new Error('The curves of this analysis are not there (' + response.status + '); analyse the clip again.');
  const curves = await response.json();
  if (open.visit !== visit) return;
  open.curves = curves;
  timeline.show(curves, scoreName);
  tell('opened', facts, curves);
  timeline.setThreshold(segments.cut().threshold, false);
  await cutInPython();
}

// The picture. A copy is asked for when the browser plays the sound but shows nothing, or nothing at all.
async function showPicture(clip, time) {
  const visit = open.visit;
  const note = find('.rv-novideo');
  const waiting = 'Making a copy that browsers can play…';
  open.startAt = time;
  transport.load(clip.url, clip);
  note.textContent = clip.url ? '' : waiting;
  find('.rv-screen').style.setProperty('--aspect', clip.aspect);
  if (!clip.copy_job) return;
  const end = await follow(clip.copy_job, visit, (step) => {
    note.textContent = step.total ? waiting + ' ' + percent(step) : waiting;
  });
  if (!end) return;
  if (end.state === 'done') await showPicture(await ask('copy', { clip: clip.sha256 }), transport.now());
  else note.textContent = 'This clip cannot be shown. ' + end.error;
}
async function askCopy() {
  if (!open.clip) return;
  if (open.copyAsked) {
    find('.rv-novideo').textContent = 'This browser cannot show the picture of this clip.';
    return;
  }
  open.copyAsked = true;
  try {
    await showPicture(await ask('copy', { clip: open.clip }), transport.now());
  } catch (error) {
    find('.rv-novideo').textContent = error.message;
  }
}
video.addEventListener('loadedmetadata', () => {
  if (video.videoWidth) transport.seek(open.startAt);
  else askCopy();
});
video.addEventListener('error', () => {
  if (video.getAttribute('src')) askCopy();
});
video.addEventListener('pause', () => onMove(transport.now()));

const percent = (step) => Math.round(100 * clamp(step.done / step.total, 0, 1)) + ' %';

const OVER = ['done', 'failed', 'cancelled'];

// Watch a job to its end. Null when the user has gone elsewhere: every visit to a clip has its own number.
async function follow(id, visit, onStep) {
  for (;;) {
    const step = await ask('job', { job: id });
    if (open.visit !== visit) return null;
    onStep(step);
    if (OVER.includes(step.state)) return step;
    await pause(300);
  }
}

// What stands where the timeline will be: progress, or why there is none and what can be done.
function showWork(title, text, act, share) {
  root.dataset.work = share === undefined ? 'rest' : 'busy';
  find('.rv-count').textContent = 'Segments appear here after the analysis.';
  find('.rv-stagename').textContent = title;
  find('.rv-worktext').textContent = text;
  const bar = find('.rv-progress');
  bar.classList.toggle('rv-unknown', share === null);
  if (share == null) bar.removeAttribute('aria-valuenow');
  else bar.setAttribute('aria-valuenow', Math.round(share * 100));
  bar.firstElementChild.style.width = (share ?? 0) * 100 + '%';
  const button = find('.rv-act');
  button.hidden = !act;
  if (act) {
    button.textContent = act[0];
    button.onclick = act[1];
  }
}

const STAGES = {
  waiting: 'Starting',
  'loading the model': 'Loading the model',
  reading: 'Reading the file',
  pictures: 'Looking at the pictures',
  sound: 'Listening to the sound',
  model: 'Scoring',
};

function showStep(step) {
  if (step.stopping) return showWork('Stopping…', '', null, null);
  const share = step.total && step.done ? clamp(step.done / step.total, 0, 1) : null;
  const stage = step.state === 'queued' ? 'Waiting for the clip before it' : (STAGES[step.stage] ?? step.stage);
  const parts = [step.message, share === null ? '' : percent(step), clock(step.elapsed_s, 0) + ' elapsed'];
  const cancel = () => ask('cancel', { job: step.job }).then(showStep, showFailure);
  showWork(stage, parts.filter(Boolean).join(' · '), ['Cancel', cancel], share);
}

function showFailure(error) {
  showWork('The analysis stopped', error.message, ['Try again', analyse]);
}

async function analyse() {
  const { visit, clip } = open;
  try {
    showWork('Starting', '', null, null);
    const { job, analysis_id } = await ask('analyse', { clip });
    if (open.visit !== visit) return;
    if (analysis_id) await openClip({ analysis_id }, transport.now());
    else await watchJob(job);
  } catch (error) {
    if (open.visit === visit) showFailure(error);
  }
}

async function watchJob(id) {
  const visit = open.visit;
  await refresh();
  const end = await follow(id, visit, showStep);
  if (!end) return;
  await refresh();
  if (end.state === 'cancelled') showWork('Stopped', 'This clip is not analysed.', ['Analyse', analyse]);
  else if (end.state === 'failed') showFailure(new Error(end.error));
  else await showAnalysis((await ask('show', { analysis_id: end.result })).analysis, visit);
}

function visitClip(clip) {
  Object.assign(open, { clip, analysis: null, curves: null, visit: open.visit + 1, copyAsked: false });
  timeline.clear();
  tell('closed');
  showWork('Opening', '', null, null);
  segments.show({ marks: [], misses: [], threshold: segments.cut().threshold });
  showAgreement({});
  select(null);
  return open.visit;
}

async function openClip(which, time = 0) {
  const answer = await ask('show', which).catch((error) => showHome(error.message));
  if (!answer) return;
  const { clip, analysis, job } = answer;
  const visit = visitClip(clip.sha256);
  view('clip');
  find('.rv-title').textContent = find('.rv-title').title = clip.name;
  find('.rv-end').textContent = clock(clip.duration_s);
  find('.rv-trust').replaceChildren();
  trusted = null;
  showPicture(clip, time).catch((error) => {
    find('.rv-novideo').textContent = error.message;
  });
  try {
    if (analysis) await showAnalysis(analysis, visit);
    else if (job && !OVER.includes(job.state)) await watchJob(job.job);
    else if (job && job.state === 'failed') showFailure(new Error(job.error));
    else showWork('Not analysed yet', '', ['Analyse', analyse]);
  } catch (error) {
    if (open.visit === visit) showFailure(error);
  }
  keepAddress();
}

function showHome(message = '') {
  visitClip(null);
  transport.load(null, { fps: 24, duration_s: 0 });
  view('home');
  find('.rv-said').textContent = message;
  library.show(status.library, open);
  keepAddress();
}
