// The page: which view is shown, which clip is open, and who tells whom.
const root = find('.rv');
const video = find('.rv-video');
const open = { clip: null, analysis: null, curves: null, visit: 0, startAt: 0, copyAsked: false, segment: null }; // what is on screen
let status = { library: [], examples: [], model: 'queued', trained: null };

const transport = makeTransport(video, onMove);
const timeline = makeTimeline({
  onSeek: seekTo,
  onThreshold: onThreshold,
  now: transport.now,
  isShown: (segment) => segments.isShown(segment),
});
parts.push(timeline.previews, makeMinimap(timeline));
const segments = makeSegments({
  onGo: goSegment,
  onCut: () => {
    timeline.setThreshold(segments.cut().threshold, false);
    cutSoon();
  },
  onSift: () => {
    if (selected && !segments.fits(selected)) select(segments.at(transport.now()) ?? null);
    timeline.dim();
    keepAddress();
  },
});
const reviewer = makeReviewer({ onChange: () => cutSoon() });
const decisions = makeDecisions({
  question, segments, selected: () => selected, now: transport.now, onReview: decided, onReload: () => cutSoon(),
  onGo: goSegment, onSelect: select,
}); // prettier-ignore
const decideBar = makeDecideBar({ decisions, transport, selected: () => selected });
const tabs = makeTabs();
const library = makeLibrary({
  onOpen: openClip,
  onExample: takeExample,
  onAnalyse: analyseListed,
  onCancel: cancelListed,
  onRemoved: leaveRemoved,
});
const uploads = makeUploads({ limitMb: () => status.max_upload_mb ?? Infinity });
makeFiles({ onFiles: takeFiles });
makeOnline({ onBack: comeBack });

function onMove(time) {
  timeline.move(time, !video.paused);
  find('.rv-now').textContent = clock(time);
  find('.rv-frame').textContent = open.clip ? 'frame ' + transport.frame(time) : '';
  if (!decideBar.looping() && !(selected && segments.inside(selected, time))) select(segments.at(time) ?? selected);
  tell('moved', time);
  root.classList.toggle('rv-playing', !video.paused);
  find('.rv-play').setAttribute('aria-label', video.paused ? 'Play' : 'Pause');
  keepAddress();
}

// A click on the timeline takes up what lies there, also where the filters of the table leave it out.
function seekTo(time) {
  transport.seek(time);
  const there = segments.under(time);
  if (there && !(selected && segments.inside(selected, time))) select(there);
}

// The segment in hand: the one under the playhead, or the last one there was, until there is another.
let selected = null;
function select(segment) {
  if (segment === selected) return;
  selected = segment;
  segments.mark(segment);
  timeline.dim();
  tell('selected', segment);
}

// ?clip=...&t=... reopens this moment. Written at rest: browsers limit how often the address may change.
const ADDRESSED = [
  'clip', 'analysis', 't', 'threshold', 'min_length_s', 'merge_gap_s', 'segment', 'seg_class', 'seg_state', 'seg_sort',
  'words',
]; // prettier-ignore
let addressTimer = null;
function keepAddress() {
  clearTimeout(addressTimer);
  addressTimer = setTimeout(() => {
    const url = new URL(location.href);
    const cut = segments.cut();
    for (const name of ADDRESSED) url.searchParams.delete(name);
    if (open.clip) {
      url.searchParams.set('clip', open.clip);
      if (open.analysis) url.searchParams.set('analysis', open.analysis);
      url.searchParams.set('t', transport.now().toFixed(2));
      if (selected) url.searchParams.set('segment', selected.id);
      for (const [name, usual] of [
        ['threshold', 0.5],
        ['min_length_s', 0],
        ['merge_gap_s', 1],
      ])
        if (cut[name] !== usual) url.searchParams.set(name, cut[name]);
      tell('address', url.searchParams);
    }
    if (url.href !== location.href) history.replaceState(history.state, '', url);
  }, 250);
}

function goSegment(segment) {
  select(segment);
  transport.seek(segment.start_s);
  say('Segment ' + segment.label + ' at ' + clock(segment.start_s));
}
function walk(direction) {
  const segment = segments.neighbour(transport.now(), direction);
  if (segment) goSegment(segment);
  else say(direction > 0 ? 'No later segment' : 'No earlier segment');
}

// Segments are cut here at once, and by Python, which knows the decisions, when the threshold rests.
let cutTimer = null;
function cutSoon() {
  if (!open.curves) return;
  const here = decisions.here(cutHere(open.curves, segments.cut()));
  segments.show(here);
  select((selected && segments.byId(selected.id)) ?? segments.at(transport.now()) ?? null);
  tell('cut', here);
  timeline.setSegments(here);
  clearTimeout(cutTimer);
  cutTimer = setTimeout(cutInPython, 150);
}
async function cutInPython() {
  if (!open.analysis) return;
  const asked = question();
  const current = () => JSON.stringify(asked) === JSON.stringify(question());
  try {
    const answer = await ask('marks', asked);
    if (!current()) return;
    if (!showReview(answer)) return cutSoon(); // a decision overtook it
    tell('cut', answer);
    timeline.setSegments(answer);
  } catch (error) {
    if (current()) find('.rv-count').textContent = error.message;
  }
}

// What every question about decisions says: whose view of which clip.
function question() {
  return { clip: open.clip, analysis_id: open.analysis, reviewer: reviewer.name(), ...segments.cut() };
}
function showReview(answer) {
  if (!decisions.take(answer)) return false;
  segments.show(answer);
  showAgreement(answer);
  const wanted = open.segment && (segments.byId(open.segment) ?? segments.marks()[Number(open.segment) - 1]);
  open.segment = null;
  const kept = selected && segments.byId(selected.id);
  const next = wanted ?? kept ?? segments.at(transport.now()) ?? null;
  select(next);
  tell('reviewed', answer);
  keepAddress();
  return true;
}
// An answer to a decision. False: the user is elsewhere by now.
function decided(answer, asked) {
  refreshSoon();
  if (asked.clip !== open.clip || asked.analysis_id !== open.analysis) return false;
  showReview(answer);
  timeline.setSegments(answer);
  const now = question();
  if (Object.keys(now).some((name) => now[name] !== asked[name])) cutSoon(); // the threshold moved meanwhile
  return true;
}
function onThreshold(value) {
  segments.setThreshold(value);
  cutSoon();
}
