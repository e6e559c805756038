// Opening a clip: its footage, and its analysis or the work on it. Or the first page.
import { find, handOver } from '../lib/dom.js';
import { Told, wordsOf } from '../lib/faults.js';
import { clock } from '../lib/format.js';
import { isOver, poll } from '../lib/jobs.js';
import * as notice from '../lib/notice.js';
import { keepAddress, readAddress, turnPage, writeAddress } from '../lib/router.js';
import { request, fetchFile } from '../lib/server.js';
import { unseenFacts } from '../lib/unseen.js';
import { refresh } from '../library/status.js';
import { select, state, tell } from '../state.js';
import { readCurves } from '../timeline/curves.js';
import { makeGrowing } from './growing.js';
import { showBusy, showFailure, showStep, showWork } from './work.js';

async function showCurves(facts, visit) {
  const missing = 'The curves of this analysis are not there; analyse the clip again';
  const file = await fetchFile(facts.curves_url, missing);
  const curves = readCurves(await file.arrayBuffer());
  if (state.visit !== visit) return;
  curves.unseen = facts.unseen_s ?? [];
  curves.shown_s = unseenFacts(facts).total_s;
  state.curves = curves;
  tell('opened', facts, curves);
}

export function makeClipView({ footage, transport, review, library, events }) {
  const root = find('.rv');
  const growing = makeGrowing({ recut: review.recut });
  let length_s = 0; // of the clip on screen, as its file says

  function view(name) {
    root.dataset.view = name;
    library.close();
    return events().show();
  }

  // What is on screen goes. Answers with the number of the new visit.
  function leaveFor(clip, shown = '') {
    Object.assign(state, { clip, view: shown, analysis: null, curves: null, visit: state.visit + 1 });
    tell('closed');
    showBusy('Opening');
    select(null);
    return state.visit;
  }

  async function showAnalysis(facts, visit) {
    state.analysis = facts.analysis_id;
    handOver(find('.rv-work'), find('.rv-hit'));
    root.dataset.work = 'none';
    find('.rv-count').textContent = 'Reading the segments…';
    find('.rv-nothing').textContent = ''; // not known yet: "nothing reaches" would be a finding
    find('.rv-end').textContent = clock(facts.duration_s);
    tell('analysed', facts);
    const opened = showCurves(facts, visit);
    await Promise.all([opened, review.requestReview(opened)]);
  }

  async function analyse() {
    const { visit, clip } = state;
    try {
      showBusy('Starting');
      const { job, analysis_id } = await request('analyse', { clip });
      if (state.visit !== visit) return;
      if (analysis_id) await open({ analysis_id }, transport.now());
      else await watch(job);
    } catch (error) {
      if (state.visit === visit) fail(error);
    }
  }

  function fail(error) {
    growing.forget();
    showFailure(error, analyse);
  }

  async function watch(job) {
    const { visit } = state;
    await refresh();
    const end = await poll(() => request('job', { job }), {
      wanted: () => state.visit === visit,
      async onStep(step) {
        await growing.follow(step, length_s);
        if (state.visit === visit) showStep(step, analyse);
      },
    });
    if (!end) return;
    await refresh();
    if (end.state !== 'done') growing.forget();
    if (end.state === 'cancelled') showWork('Stopped', 'This clip is not analysed.', ['Analyse', analyse]);
    else if (end.state === 'failed') fail(new Told(end.error));
    else await showAnalysis((await request('show', { analysis_id: end.result })).analysis, visit);
  }

  // Without a `time`, a clip whose review was begun opens at what is left of it. `segment`: the id of the one to select,
  // `turns`: into a new entry of the history.
  let opening = 0;
  async function open(which, time = null, { segment = null, turns = true } = {}) {
    const mine = ++opening;
    const answer = await request('show', which).catch((error) => mine === opening && notOpened(error));
    await review.settled(); // what was pressed before belongs to the clip on screen
    if (!answer || mine !== opening) return; // another was requested meanwhile
    const { clip, analysis, job } = answer;
    if (turns) turnPage(clip.sha256);
    const visit = leaveFor(clip.sha256);
    length_s = clip.duration_s;
    if (segment) review.want(segment);
    review.begins(time === null);
    notice.clear('home');
    view('clip');
    find('.rv-title').textContent = find('.rv-title').title = clip.name;
    find('.rv-end').textContent = clock(clip.duration_s);
    footage.show(clip, time ?? 0);
    writeAddress(); // Back may be pressed before anything else is known
    try {
      if (analysis) await showAnalysis(analysis, visit);
      else if (job && !isOver(job)) await watch(job.job);
      else if (job && job.state === 'failed') showFailure(new Told(job.error), analyse);
      else showWork('Not analysed yet', '', ['Analyse', analyse]);
    } catch (error) {
      if (state.visit === visit) fail(error);
    }
    keepAddress();
  }

  // What is on screen stays.
  function notOpened(error) {
    review.want(null);
    if (state.clip || state.view) notice.fail('page', error);
    else home(wordsOf(error));
  }

  // No clip: the first page, or the events of all clips.
  async function leave(shown, turns) {
    const mine = ++opening;
    await review.settled();
    if (mine !== opening) return;
    if (turns) turnPage(null, shown);
    root.dataset.view = shown || 'home'; // before it is told that the clip is gone
    leaveFor(null, shown);
    footage.clear();
    notice.clear('home');
    await view(shown || 'home');
    keepAddress();
  }

  async function home(message = '', turns = true) {
    await leave('', turns);
    if (message) notice.show('home', message);
  }

  const showEvents = (turns = true) => leave('events', turns);

  // Asks anew for what is on screen, or for the clip's newest analysis.
  const reopen = (same = true) =>
    open(same && state.analysis ? { analysis_id: state.analysis } : { clip: state.clip }, transport.now());

  // `status`: what the first page waits for, and a clip does not.
  async function goToAddress(status = null) {
    const { which, time, view: wanted } = readAddress();
    if (which) return open(which, time, { turns: false });
    await status;
    if (wanted === 'events') await showEvents(false);
    else await home('', false);
  }

  return {
    open,
    home,
    showEvents,
    reopen,
    analyse,
    goToAddress,
    isBroken: () => root.dataset.work !== 'none' || footage.isBroken(),
  };
}
