// The page begins: its parts are made, and told of each other as far as they must know.
import { makeClasses } from './explain/classes.js';
import { makeMap } from './explain/map.js';
import { makeTruth } from './explain/truth.js';
import { makeWhy } from './explain/why.js';
import { makeExport } from './export/export.js';
import { makeEvents } from './events/events.js';
import { bindAround } from './events/keys.js';
import { makeLeft } from './events/left.js';
import { find, reloadFrames } from './lib/dom.js';
import { fault, watchFaults, wordsOf } from './lib/faults.js';
import { releaseLists } from './lib/focus.js';
import { connect } from './lib/host.js';
import * as notice from './lib/notice.js';
import { watchServer } from './lib/online.js';
import { replaceAddress, watchHistory } from './lib/router.js';
import { bindTabs } from './lib/tabs.js';
import { watchFiles } from './library/files.js';
import { makeLibrary } from './library/library.js';
import { makeQueue } from './library/queue.js';
import { keepFresh, refresh, useReviewer } from './library/status.js';
import { makeTake } from './library/take.js';
import { makeBar } from './player/bar.js';
import { makeClipView } from './player/clip_view.js';
import { makeFootage } from './player/footage.js';
import { makeKeys } from './player/keys.js';
import { makePicture } from './player/picture.js';
import { makeTransport } from './player/transport.js';
import { makeTrust } from './player/trust.js';
import { makeQuality } from './quality/quality.js';
import { makeLibraryCut } from './review/library_cut.js';
import { makeLook } from './review/look.js';
import { makeReview } from './review/review.js';
import { watchLeaving } from './review/sending.js';
import { reset, state, tell } from './state.js';
import { makeMinimap } from './timeline/minimap.js';
import { makeTimeline } from './timeline/timeline.js';

function build() {
  const root = find('.rv');
  const video = find('.rv-video');
  const transport = makeTransport(video);
  const bar = makeBar(video, transport);
  const picture = makePicture(video);
  const footage = makeFootage(video, transport);
  const timeline = makeTimeline({
    video,
    now: transport.now,
    onSeek: (time) => review.seek(time),
    onHold: (segment, time) => review.hold(segment, time),
    onEdge: (side, time) => review.moveEdge(side, time),
    isShown: (segment) => review.isShown(segment),
  });
  const review = makeReview({ video, transport, footage, onOpen: (which) => openClip(which) });
  bindTabs();
  makeTrust({ onAnalyse: () => clipView.analyse(), onQuality: makeQuality() });
  makeMinimap(timeline.axis);
  const library = makeLibrary({
    onOpen: (which) => openClip(which),
    onExample: (name) => take.example(name),
    onAnalyse: (entry) => take.analyse(entry),
    onCancel: (entry) => take.cancel(entry),
    onRemoved: (clip, name) => take.removed(clip, name),
  });
  const reviewer = () => review.question().reviewer;
  watchLeaving();
  releaseLists();
  const clipView = makeClipView({ footage, transport, review, library, events: () => events });
  let cameFrom = ''; // the view that a clip was opened from
  let lastClip = null; // as it was opened
  const openClip = (which, time = null, segment = null) => {
    cameFrom = state.view;
    lastClip = which;
    return clipView.open(which, time, { segment });
  };
  const events = makeEvents({
    reviewer,
    decider: review.decider,
    onOpen: (which, ...place) => (which ? openClip(which, ...place) : clipView.showEvents()),
    onClip: () => (lastClip ? clipView.open(lastClip) : clipView.home()),
    onReel: (...selected) => exporting.reelOf(...selected),
  });
  const left = makeLeft({ reviewer, onGo: events.left, onOpen: openClip, offers: () => Boolean(state.clip) });
  const libraryCut = makeLibraryCut({ reviewer, onChoices: events.showChoices });
  useReviewer(reviewer);
  bindAround({
    back: {
      act: () => clipView.showEvents(),
      isFor: () => cameFrom === 'events' && state.clip && !root.classList.contains('rv-drawer'),
    },
    watched: { act: review.watched, isFor: () => state.clip },
    nextClip: { act: () => left.next(false) },
    previousClip: { act: () => left.next(true) },
  });
  const take = makeTake({ clipView, openLibrary: library.open });
  makeQueue({ onCancel: take.cancel });
  watchFiles(take.files);
  const onOpen = ({ time_s, ...which }) => clipView.open(which, time_s);
  const panels = { onSeek: transport.seek, onOpen, now: transport.now };
  makeWhy({ ...panels, onSeek: review.seek, strongest: review.strongest });
  makeClasses(panels);
  makeTruth(panels);
  makeMap({ ...panels, video });
  const exporting = makeExport({ question: review.question, isNamed: review.isNamed, onTaken: review.recut });
  makeLook({ ...panels, video, question: review.question, onTaken: review.recut });
  const close = () => {
    library.close();
    picture.close();
    timeline.cancel();
    review.cancel();
  };
  makeKeys({ ...bar, ...picture.actions, ...timeline.actions, ...review.actions, close }, review.learnKeys);
  find('.rv-brand').addEventListener('click', () => clipView.home());
  find('.rv-theme').addEventListener('click', switchTheme);
  watchHistory(clipView.goToAddress);

  async function begin() {
    await review.startReviewer();
    const status = refresh();
    await libraryCut.load();
    await Promise.all([status, clipView.goToAddress(status)]);
  }
  // The server is there again: what was broken off is requested anew.
  async function comeBack() {
    notice.clear('connection');
    reloadFrames();
    if (find('.rv').dataset.view === 'loading') return begin();
    await refresh();
    if (state.clip && clipView.isBroken()) await clipView.reopen();
    else if (state.clip || state.view) tell('back');
    else await clipView.home();
  }
  watchServer(comeBack);
  begin()
    .catch((error) => clipView.home(wordsOf(error)))
    .then(keepFresh);
}

function switchTheme() {
  const dark = document.body.classList.toggle('dark');
  const url = new URL(location.href);
  url.searchParams.set('__theme', dark ? 'dark' : 'light');
  replaceAddress(url);
}

// Called once the page's element is there: `given` are Gradio's { element, props, server }.
export function start(given) {
  connect(given);
  reset(fault);
  watchFaults((error) => notice.fail('page', error));
  try {
    build();
  } catch (error) {
    fault(error);
  }
}
