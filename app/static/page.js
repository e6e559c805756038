// The page: which view is shown, which clip is open, and who tells whom.
const root = find('.rv');
const video = find('.rv-video');
const open = { clip: null, analysis: null, job: null }; // what is on screen
let status = { library: [], examples: [], model: 'queued', trained: null };

const transport = makeTransport(video, onMove);
const timeline = makeTimeline({ onSeek: transport.seek, onThreshold: onThreshold, now: transport.now });
const segments = makeSegments({ onGo: goSegment, onCut: () => { timeline.setThreshold(segments.cut().threshold, false); cutSoon(); } });
const library = makeLibrary({ onOpen: openClip, onExample: takeExample, onFile: takeFile });

function onMove(time) {
  timeline.move(time, !video.paused);
  find('.rv-now').textContent = clock(time);
  find('.rv-frame').textContent = open.clip ? 'frame ' + transport.frame(time) : '';
  segments.mark(time);
  root.classList.toggle('rv-playing', !video.paused);
  find('.rv-play').setAttribute('aria-label', video.paused ? 'Play' : 'Pause');
  keepAddress();
}

// ?clip=...&t=... reopens this moment. Written at rest: browsers limit how often the address may change.
let addressTimer = null;
function keepAddress() {
  clearTimeout(addressTimer);
  addressTimer = setTimeout(() => {
    const url = new URL(location.href);
    const cut = segments.cut();
    for (const name of ['clip', 'analysis', 't', 'threshold', 'min_length_s', 'merge_gap_s']) url.searchParams.delete(name);
    if (open.clip) {
      url.searchParams.set('clip', open.clip);
      if (open.analysis) url.searchParams.set('analysis', open.analysis);
      url.searchParams.set('t', transport.now().toFixed(2));
      for (const [name, usual] of [['threshold', 0.5], ['min_length_s', 0], ['merge_gap_s', 1]]) if (cut[name] !== usual) url.searchParams.set(name, cut[name]);
    }
    if (url.href !== location.href) history.replaceState(history.state, '', url);
  }, 250);
}

function goSegment(segment) { transport.seek(segment.start_s); say('Segment ' + segment.label + ' at ' + clock(segment.start_s)); }
function walk(direction) {
  const segment = segments.neighbour(transport.now(), direction);
  if (segment) goSegment(segment);
  else say(direction > 0 ? 'No later segment' : 'No earlier segment');
}

// Segments are cut in Python. While the line is dragged, one question is under way and the newest waits.
let cutting = false;
let cutAgain = false;
async function cutSoon() {
  if (cutting) { cutAgain = true; return; }
  const key = open.analysis;
  if (!key) return;
  cutting = true;
  try {
    const answer = await ask('flag', { analysis_id: key, ...segments.cut() });
    if (key === open.analysis) { segments.show(answer); segments.mark(transport.now()); await timeline.setSegments(answer); keepAddress(); }
  } catch (error) { find('.rv-count').textContent = error.message; }
  cutting = false;
  if (cutAgain) { cutAgain = false; cutSoon(); }
}
function onThreshold(value) { segments.setThreshold(value); cutSoon(); }

function view(name) { root.dataset.view = name; library.close(); }

function showModel() {
  const words = { queued: 'loading the model…', running: 'loading the model…', failed: 'model not loaded: ' + status.error, cancelled: 'model not loaded' };
  const model = find('.rv-model');
  const untrained = status.model === 'ready' && !status.trained;
  model.replaceChildren(make('span', '', status.preset ?? ''), make('span', 'rv-state', words[status.model] ?? (untrained ? 'NOT TRAINED' : 'trained')));
  model.dataset.state = untrained ? 'untrained' : status.model;
}

async function refresh() {
  status = await ask('status');
  showModel();
  library.show(status.library, open);
}

function showTrust(facts) {
  const rows = [
    ['Model', facts.model_id], ['Head', facts.trained ? 'trained' : 'NOT TRAINED'], ['Encoders', facts.encoders], ['Score', facts.score_source],
    ['Modalities', [...facts.modalities].map((m) => ({ V: 'video', A: 'audio', T: 'text' }[m] ?? m)).join(' + ')],
    ['Snippets', facts.n_snippets + ' in ' + facts.n_windows + (facts.n_windows === 1 ? ' window' : ' windows')],
    ['Device', facts.device], ['Took', facts.elapsed_s.toFixed(1) + ' s'], ['Recipe', facts.recipe_hash],
  ];
  find('.rv-trust').replaceChildren(...rows.map(([name, value]) => {
    const row = make('div', name === 'Head' && !facts.trained ? 'rv-warn' : '');
    row.append(make('dt', '', name), make('dd', '', value));
    return row;
  }));
}

async function showAnalysis(facts) {
  const scoreName = facts.trained ? 'anomaly score' : 'untrained score';
  open.analysis = facts.analysis_id;
  root.dataset.work = 'none';
  segments.setScoreName(facts.trained ? 'Peak' : 'Untrained peak');
  showTrust(facts);
  transport.setLength(facts.duration_s);
  find('.rv-end').textContent = clock(facts.duration_s);
  const response = await fetch(address(facts.curves_url));
  if (!response.ok) throw new Error('The curves of this analysis are not there (' + response.status + '); analyse the clip again.');
  const curves = await response.json();
  if (open.analysis !== facts.analysis_id) return;
  await timeline.show(curves, scoreName);
  timeline.setThreshold(segments.cut().threshold, false);
  await cutSoon();
}

// The picture. A copy is asked for when the browser plays the sound but shows nothing, or nothing at all.
let copyAsked = '';
async function showPicture(clip, time) {
  transport.load(clip.url, clip);
  find('.rv-novideo').textContent = clip.url ? '' : 'Making a copy that browsers can play…';
  find('.rv-screen').style.setProperty('--aspect', clip.aspect);
  if (clip.url) video.addEventListener('loadedmetadata', () => transport.seek(time), { once: true });
  if (!clip.copy_job) return;
  const job = await follow(clip.copy_job, () => open.clip !== clip.sha256, (step) => {
    const share = step.total ? ' ' + Math.round(100 * clamp(step.done / step.total, 0, 1)) + ' %' : '';
    find('.rv-novideo').textContent = 'Making a copy that browsers can play…' + share;
  });
  if (open.clip !== clip.sha256) return;
  if (job.state !== 'done') { find('.rv-novideo').textContent = 'This clip cannot be shown. ' + job.error; return; }
  const again = await ask('show', open.analysis ? { analysis_id: open.analysis } : { clip: clip.sha256 });
  await showPicture(again.clip, transport.now());
}
async function askCopy() {
  if (!open.clip || copyAsked === open.clip) return;
  copyAsked = open.clip;
  try { await showPicture(await ask('copy', { clip: open.clip }), transport.now()); } catch (error) { find('.rv-novideo').textContent = error.message; }
}
video.addEventListener('loadedmetadata', () => { if (!video.videoWidth) askCopy(); });
video.addEventListener('error', () => { if (video.getAttribute('src')) askCopy(); });
video.addEventListener('pause', () => onMove(transport.now()));

async function follow(id, leave, onStep) {
  for (;;) {
    const step = await ask('job', { job: id });
    if (leave()) return step;
    onStep(step);
    if (['done', 'failed', 'cancelled'].includes(step.state)) return step;
    await pause(300);
  }
}

// What stands where the timeline will be: progress, or why there is none and what can be done.
function showWork(title, text, act, share) {
  root.dataset.work = share === undefined ? 'rest' : 'busy';
  find('.rv-stagename').textContent = title;
  find('.rv-worktext').textContent = text;
  const bar = find('.rv-progress');
  bar.classList.toggle('rv-unknown', share === null);
  if (share == null) bar.removeAttribute('aria-valuenow'); else bar.setAttribute('aria-valuenow', Math.round(share * 100));
  bar.firstElementChild.style.width = (share ?? 0) * 100 + '%';
  const button = find('.rv-act');
  button.hidden = !act;
  if (act) { button.textContent = act[0]; button.onclick = act[1]; }
}

function showStep(step) {
  const share = step.total ? clamp(step.done / step.total, 0, 1) : null;
  const waiting = step.state === 'queued';
  const stage = waiting ? 'Waiting for the clip before it' : step.stage[0].toUpperCase() + step.stage.slice(1);
  const parts = [step.message, share === null ? '' : Math.round(share * 100) + ' %', clock(step.elapsed_s, 0) + ' elapsed'];
  showWork(stage, parts.filter(Boolean).join(' · '), ['Cancel', () => { ask('cancel', { job: step.job }).then(() => showWork('Stopping…', '', null, null), showFailure); }], share);
}

function showFailure(error) { showWork('The analysis stopped', error.message, ['Try again', analyse]); }

async function analyse() {
  const clip = open.clip;
  try {
    showWork('Starting', '', null, null);
    const { job, analysis_id } = await ask('analyse', { clip });
    if (open.clip !== clip) return;
    if (analysis_id) await openClip({ analysis_id }, transport.now());
    else await watchJob(job, clip);
  } catch (error) { if (open.clip === clip) showFailure(error); }
}

async function watchJob(id, clip) {
  open.job = id;
  await refresh();
  const end = await follow(id, () => open.clip !== clip || open.job !== id, showStep);
  if (open.clip !== clip || open.job !== id) return;
  await refresh();
  if (end.state === 'cancelled') showWork('Stopped', 'This clip is not analysed.', ['Analyse', analyse]);
  else if (end.state === 'failed') showFailure(new Error(end.error));
  else await showAnalysis((await ask('show', { analysis_id: end.result })).analysis);
  library.show(status.library, open);
}

async function openClip(which, time = 0) {
  const answer = await ask('show', which).catch((error) => { showHome(error.message); return null; });
  if (!answer) return;
  const { clip, analysis, job } = answer;
  Object.assign(open, { clip: clip.sha256, analysis: null, job: null });
  view('clip');
  find('.rv-title').textContent = clip.name;
  find('.rv-title').title = clip.name;
  find('.rv-end').textContent = clock(clip.duration_s);
  timeline.clear();
  segments.show({ segments: [], near_misses: [], threshold: segments.cut().threshold });
  find('.rv-trust').replaceChildren();
  showPicture(clip, time).catch((error) => { find('.rv-novideo').textContent = error.message; });
  try {
    if (analysis) await showAnalysis(analysis);
    else if (job && !['done', 'failed', 'cancelled'].includes(job.state)) await watchJob(job.job, clip.sha256);
    else if (job && job.state === 'failed') showFailure(new Error(job.error));
    else showWork('Not analysed yet', '', ['Analyse', analyse]);
  } catch (error) { if (open.clip === clip.sha256) showFailure(error); }
  library.show(status.library, open);
  keepAddress();
}

function showHome(message = '') {
  Object.assign(open, { clip: null, analysis: null, job: null });
  transport.load(null, { fps: 24, duration_s: 0 });
  view('home');
  find('.rv-said').textContent = message;
  keepAddress();
}

async function take(work) {
  try {
    const { clip } = await work();
    const { analysis_id } = await ask('analyse', { clip });
    await openClip(analysis_id ? { analysis_id } : { clip });
  } catch (error) { showHome(error.message); }
}
const takeExample = (name) => take(() => ask('take_example', { name }));
function takeFile(blob) {
  showHome();
  if (blob.size > status.max_upload_mb * 1e6) return showHome(blob.name + ' has ' + Math.round(blob.size / 1e6) + ' MB; this server accepts ' + status.max_upload_mb + ' MB.');
  return take(async () => {
    const stored = await library.upload(blob, (loaded, total) => { find('.rv-said').textContent = loaded < total ? 'Uploading ' + blob.name + ': ' + Math.round((100 * loaded) / total) + ' %' : 'Reading ' + blob.name + '…'; });
    return ask('take_upload', { upload: stored, name: blob.name });
  });
}

const actions = {
  toggle: transport.toggle, rewind: () => transport.shuttle(-1), faster: () => transport.shuttle(1),
  back: () => transport.stepFrames(-1), forward: () => transport.stepFrames(1),
  back5: () => transport.seek(transport.now() - 5), forward5: () => transport.seek(transport.now() + 5),
  back1: () => transport.seek(transport.now() - 1), forward1: () => transport.seek(transport.now() + 1),
  next: () => walk(1), previous: () => walk(-1),
  once: () => { const s = segments.at(transport.now()); if (s) transport.playOnce(s.start_s, s.end_s); },
  zoom: () => { const s = segments.at(transport.now()); if (s) { const around = (s.end_s - s.start_s) / 2; timeline.setView(s.start_s - around, s.end_s + around); } },
  in: () => timeline.zoom(0.6), out: () => timeline.zoom(1 / 0.6), fit: timeline.fit,
  left: () => timeline.pan(-0.5), right: () => timeline.pan(0.5),
  mute: () => { video.muted = !video.muted; },
  screen: () => { if (document.fullscreenElement) document.exitFullscreen(); else find('.rv-stage').requestFullscreen(); },
  close: library.close,
};
makeKeys(actions);
for (const button of element.querySelectorAll('[data-do]')) button.addEventListener('click', () => actions[button.dataset.do]());
video.addEventListener('click', transport.toggle);
video.addEventListener('volumechange', () => { root.classList.toggle('rv-muted', video.muted); find('.rv-mute').setAttribute('aria-pressed', String(video.muted)); });
const speed = find('.rv-speed select');
for (const rate of transport.speeds) speed.append(new Option(rate + '×', rate, rate === 1, rate === 1));
speed.addEventListener('change', () => transport.setSpeed(Number(speed.value)));
video.addEventListener('ratechange', () => { speed.value = String(video.playbackRate); });
find('.rv-brand').addEventListener('click', () => showHome());
find('.rv-theme').addEventListener('click', () => {
  const dark = document.body.classList.toggle('dark');
  const url = new URL(location.href);
  url.searchParams.set('__theme', dark ? 'dark' : 'light');
  history.replaceState(history.state, '', url);
});

async function start() {
  const wanted = new URLSearchParams(location.search);
  const names = ['threshold', 'min_length_s', 'merge_gap_s'].filter((name) => wanted.has(name));
  segments.setCut(Object.fromEntries(names.map((name) => [name, wanted.get(name)])));
  await refresh();
  library.showExamples(status.examples);
  if (wanted.has('analysis')) await openClip({ analysis_id: wanted.get('analysis') }, Number(wanted.get('t')) || 0);
  else if (wanted.has('clip')) await openClip({ clip: wanted.get('clip') }, Number(wanted.get('t')) || 0);
  else showHome();
}
async function watchModel() {
  while (element.isConnected && ['queued', 'running'].includes(status.model)) {
    await pause(1000);
    await refresh().catch(() => {});
  }
}
start().catch((error) => showHome(error.message)).then(watchModel);
