// The review of the clip on screen: segments are cut here at once, and by the server, which knows the decisions, as soon
// as the threshold rests.
import { passBy } from '../lib/faults.js';
import * as notice from '../lib/notice.js';
import { request } from '../lib/server.js';
import { refreshSoon } from '../library/status.js';
import { listen, select, state, tell } from '../state.js';
import { showAgreement } from './agreement.js';
import { withRuns } from './class_runs.js';
import { reviewHere } from './cut.js';
import { bindBudgetForm } from './budget_form.js';
import { bindCutForm } from './cut_form.js';
import { makeDecideBar } from './decide_bar.js';
import { makeDecisions } from './decisions.js';
import { makeReviewer } from './reviewer.js';
import { strongestOf } from './segment_order.js';
import { makeSegments } from './segments.js';
import { makeSelection } from './selection.js';
import { bindWatched } from './watched.js';
import { whenFinal } from './when_final.js';

// `onOpen` leads to a clip.
export function makeReview({ video, transport, footage, onOpen }) {
  const { choose, hold, go, walk, seek } = makeSelection({
    segments: () => segments,
    transport,
    isLooping: () => decideBar.looping(),
  });
  bindCutForm();
  const segments = makeSegments({ onGo: go, onSeek: seek, onFilter: refilter });
  const reviewer = makeReviewer({ onChange: changeReviewer });
  const decisions = makeDecisions({ segments, question, now: transport.now, reviewer, onReview: decided, onReload: cutSoon, onGo: go, onAdded: choose, onOpen }); // prettier-ignore
  const decideBar = makeDecideBar({ video, decisions, transport });
  let wanted = null; // the segment that an address or an event names
  let resuming = false;
  let timer = null;
  let underWay = null; // curves that are being fetched, or were

  // What every question about decisions says: whose view of which clip.
  function question() {
    return { clip: state.clip, analysis_id: state.analysis, reviewer: reviewer.name(), ...state.cut };
  }

  bindBudgetForm(question);
  const watched = bindWatched(decisions);

  function refilter() {
    if (state.segment && !segments.fits(state.segment)) select(segments.at(transport.now()) ?? null);
    tell('filtered');
  }

  function show(told) {
    const answer = withRuns(state.curves, told);
    segments.show(answer);
    const named = wanted && (segments.byId(wanted) ?? segments.marks()[Number(wanted) - 1]);
    const kept = state.segment && segments.byId(state.segment.id);
    select(named ?? kept ?? segments.at(transport.now()) ?? null);
    tell('cut', answer);
  }

  function cutSoon() {
    if (!state.curves) return;
    show(reviewHere(decisions.review(), state.curves, state.cut));
    clearTimeout(timer);
    timer = setTimeout(requestReview, 150);
  }

  // `curves`: those that the answer is shown on, where they are under way too.
  async function requestReview(curves = underWay) {
    if (!state.analysis) return;
    underWay = curves;
    clearTimeout(timer);
    const requested = question();
    const current = () => JSON.stringify(requested) === JSON.stringify(question());
    const asked = request('marks', requested).catch((error) => ({ error }));
    await curves?.catch(passBy); // whoever fetches them says so
    const answer = await asked;
    if (!current() || !state.curves) return;
    if (answer.error) notice.fail('decision', answer.error);
    else if (!take(answer)) cutSoon(); // a decision overtook it
  }

  // An answer of the server. False: it is no news.
  function take(answer) {
    if (!decisions.take(answer)) return false;
    show(answer);
    wanted = null;
    showAgreement(answer);
    tell('reviewed', answer);
    resume(answer);
    return true;
  }

  // A clip whose review was begun opens at the first segment that is left, unless the user is somewhere by now.
  function resume({ marks, revision }) {
    const requested = resuming;
    resuming = false;
    if (!requested || !revision || transport.now() > 0.05 || !video.paused) return;
    const left = segments.offers().open;
    if (!left || marks.every((m) => m.state === 'open')) return;
    footage.startAt(left.start_s);
    go(left);
  }

  // After the decisions that are still under way, which belong to who took them.
  function changeReviewer(become) {
    decisions.become(() => {
      become();
      tell('reviewer');
      notice.clear('decision');
      showAgreement({});
      cutSoon();
      return requestReview();
    });
  }

  // An answer to a decision. False: the user is elsewhere by now.
  function decided(answer, requested) {
    refreshSoon();
    if (requested.clip !== state.clip || requested.analysis_id !== state.analysis) return false;
    take(answer);
    tell('decided', answer);
    const now = question();
    if (Object.keys(now).some((name) => now[name] !== requested[name])) cutSoon(); // the threshold moved meanwhile
    return true;
  }

  listen({
    cutting: cutSoon,
    opened: () => notice.clear('decision'), // that decisions wait
    back: cutSoon,
    closed: () => showAgreement({}),
    restored(query) {
      wanted = query.get('segment');
    },
  });

  return {
    question,
    isNamed: reviewer.isNamed,
    decider: reviewer.decider,
    settled: decisions.settled,
    seek,
    hold,
    moveEdge: decisions.edge,
    requestReview,
    recut: cutSoon,
    isShown: segments.isShown,
    strongest: () => strongestOf(segments.all()),
    begins: (anywhere) => {
      resuming = anywhere && !wanted;
    },
    want: (id) => {
      wanted = id;
    },
    learnKeys: decideBar.learn,
    startReviewer: reviewer.start,
    ...whenFinal({ watched: watched.press }),
    cancel() {
      decisions.cancel();
      decideBar.forget();
    },
    actions: {
      next: () => decisions.inOrder(() => walk(1)),
      previous: () => decisions.inOrder(() => walk(-1)),
      ...whenFinal(decisions.actions),
      ...decideBar.actions,
      ...whenFinal({ note: decideBar.actions.note }),
    },
  };
}
