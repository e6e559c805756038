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
  next: () => walk(1),
  previous: () => walk(-1),
  once: () => {
    const s = segments.at(transport.now());
    if (s) transport.playOnce(s.start_s, s.end_s);
  },
  zoom: () => {
    const s = segments.at(transport.now());
    if (s) {
      const around = (s.end_s - s.start_s) / 2;
      timeline.setView(s.start_s - around, s.end_s + around);
    }
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
  close: library.close,
};
makeKeys(actions);
makeExport({ question: () => ({ analysis_id: open.analysis, reviewer: '', ...segments.cut() }), onTaken: cutSoon });
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
  await refresh();
  library.showExamples(status.examples);
  if (wanted.has('analysis')) await openClip({ analysis_id: wanted.get('analysis') }, Number(wanted.get('t')) || 0);
  else if (wanted.has('clip')) await openClip({ clip: wanted.get('clip') }, Number(wanted.get('t')) || 0);
  else showHome();
}
// While the model loads or a clip of the list is analysed, the list is kept up to date.
async function keepFresh() {
  while (element.isConnected) {
    await pause(1500);
    if (['queued', 'running'].includes(status.model) || status.library.some((entry) => entry.job))
      await refresh().catch(() => {});
  }
}
start()
  .catch((error) => showHome(error.message))
  .then(keepFresh);
