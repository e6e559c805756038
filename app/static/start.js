// Keys, buttons and the first look at the address.
const actions = {
  toggle: transport.toggle,
  rewind: () => transport.shuttle(-1),
  faster: () => transport.shuttle(1),
  back: () => transport.stepFrames(-1),
  forward: () => transport.stepFrames(1),
  back5: () => transport.seek(transport.now() - 5),
  forward5: () => transport.seek(transport.now() + 5),
  back1: () => transport.seek(transport.now() - 1),
  forward1: () => transport.seek(transport.now() + 1),
  next: () => decisions.inOrder(() => walk(1)),
  previous: () => decisions.inOrder(() => walk(-1)),
  once: () => {
    if (selected) transport.playOnce(selected.start_s, selected.end_s);
  },
  zoom: () => {
    if (!selected) return;
    const around = (selected.end_s - selected.start_s) / 2;
    timeline.setView(selected.start_s - around, selected.end_s + around);
  },
  in: () => timeline.zoom(0.6),
  out: () => timeline.zoom(1 / 0.6),
  fit: timeline.fit,
  left: () => timeline.pan(-0.5),
  right: () => timeline.pan(0.5),
  mute: () => {
    video.muted = !video.muted;
  },
  screen: () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else find('.rv-stage').requestFullscreen();
  },
  close: () => {
    library.close();
    decisions.cancel();
    decideBar.forget();
  },
  ...decisions.actions,
  ...decideBar.actions,
};
makeKeys(actions, decideBar.learn);
makeExport({ question, onTaken: cutSoon });
for (const button of element.querySelectorAll('[data-do]'))
  button.addEventListener('click', () => actions[button.dataset.do]());
video.addEventListener('click', transport.toggle);
video.addEventListener('volumechange', () => {
  root.classList.toggle('rv-muted', video.muted);
  find('.rv-mute').setAttribute('aria-pressed', String(video.muted));
});
const speed = find('.rv-speed select');
for (const rate of transport.speeds) speed.append(new Option(rate + '×', rate, rate === 1, rate === 1));
speed.addEventListener('change', () => transport.setSpeed(Number(speed.value)));
video.addEventListener('ratechange', () => {
  speed.value = String(video.playbackRate);
});
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
  open.segment = wanted.get('segment');
  await Promise.all([refresh(), reviewer.start()]);
  library.showExamples(status.examples);
  if (wanted.has('analysis')) await openClip({ analysis_id: wanted.get('analysis') }, Number(wanted.get('t')) || 0);
  else if (wanted.has('clip')) await openClip({ clip: wanted.get('clip') }, Number(wanted.get('t')) || 0);
  else showHome();
}
// While the model loads, a clip of the list is analysed or some were not looked into, the list is kept up to date.
const underWay = (entry) => ['waiting', 'analysing'].includes(stateOf(entry));
async function keepFresh() {
  while (element.isConnected) {
    await pause(status.complete === false ? 200 : 1500);
    if (['queued', 'running'].includes(status.model) || !status.complete || status.library.some(underWay))
      await refresh().catch(() => {});
  }
}
start()
  .catch((error) => showHome(error.message))
  .then(keepFresh);
