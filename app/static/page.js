// The page: which view is shown, which clip is open, and who tells whom.
const root = find('.rv');
const video = find('.rv-video');
const open = { clip: null, analysis: null, curves: null, visit: 0, startAt: 0, copyAsked: false }; // what is on screen
let status = { library: [], examples: [], model: 'queued', trained: null };

const transport = makeTransport(video, onMove);
const timeline = makeTimeline({ onSeek: transport.seek, onThreshold: onThreshold, now: transport.now });
parts.push(timeline.previews, makeMinimap(timeline));
const segments = makeSegments({
  onGo: goSegment,
  onCut: () => {
    timeline.setThreshold(segments.cut().threshold, false);
    cutSoon();
  },
});
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
  segments.mark(time);
  select(segments.at(time) ?? null);
  tell('moved', time);
  root.classList.toggle('rv-playing', !video.paused);
  find('.rv-play').setAttribute('aria-label', video.paused ? 'Play' : 'Pause');
  keepAddress();
}

let selected = null;
function select(segment) {
  if (segment === selected) return;
  selected = segment;
  tell('selected', segment);
}

// ?clip=...&t=... reopens this moment. Written at rest: browsers limit how often the address may change.
let addressTimer = null;
function keepAddress() {
  clearTimeout(addressTimer);
  addressTimer = setTimeout(() => {
    const url = new URL(location.href);
    const cut = segments.cut();
    for (const name of ['clip', 'analysis', 't', 'threshold', 'min_length_s', 'merge_gap_s'])
      url.searchParams.delete(name);
    if (open.clip) {
      url.searchParams.set('clip', open.clip);
      if (open.analysis) url.searchParams.set('analysis', open.analysis);
      url.searchParams.set('t', transport.now().toFixed(2));
      for (const [name, usual] of [
        ['threshold', 0.5],
        ['min_length_s', 0],
        ['merge_gap_s', 1],
      ])
        if (cut[name] !== usual) url.searchParams.set(name, cut[name]);
    }
    if (url.href !== location.href) history.replaceState(history.state, '', url);
  }, 250);
}

function goSegment(segment) {
  transport.seek(segment.start_s);
  say('Segment ' + segment.label + ' at ' + clock(segment.start_s));
}
function walk(direction) {
  const segment = segments.neighbour(transport.now(), direction);
  if (segment) goSegment(segment);
  else say(direction > 0 ? 'No later segment' : 'No earlier segment');
}

// Segments are cut here at once, and by Python when the threshold rests.
function showCut(answer) {
  segments.show(answer);
  segments.mark(transport.now());
  tell('cut', answer);
  select(segments.at(transport.now()) ?? null);
  timeline.setSegments(answer);
}
let cutTimer = null;
function cutSoon() {
  if (!open.curves) return;
  showCut({ analysis_id: open.analysis, ...cutHere(open.curves, segments.cut()) });
  clearTimeout(cutTimer);
  cutTimer = setTimeout(cutInPython, 150);
}
async function cutInPython() {
  const { analysis: key, visit } = open;
  if (!key) return;
  const asked = segments.cut();
  const current = () => visit === open.visit && JSON.stringify(asked) === JSON.stringify(segments.cut());
  try {
    const answer = await ask('flag', { analysis_id: key, ...asked });
    if (!current()) return;
    showCut(answer);
    keepAddress();
  } catch (error) {
    if (current()) find('.rv-count').textContent = error.message;
  }
}
function onThreshold(value) {
  segments.setThreshold(value);
  cutSoon();
}
