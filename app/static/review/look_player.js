// Plays one window of a clip over and over. A copy is requested when the browser cannot show the file.
import { wordsOf } from '../lib/faults.js';
import { address } from '../lib/host.js';
import { percent } from '../lib/format.js';
import { poll, shareOf } from '../lib/jobs.js';
import { request } from '../lib/server.js';

export function makeLookPlayer(video, note) {
  let shown = null; // the window on screen
  let loaded = null; // SHA-256 of the clip whose file the video has
  let copied = null; // SHA-256 of the clip of which a copy was requested

  async function load(name, window) {
    const wanted = () => shown === window;
    const clip = await request(name, { clip: window.clip });
    if (!wanted()) return;
    if (clip.url) {
      loaded = window.clip;
      note.textContent = '';
      video.src = address(clip.url);
      return;
    }
    const said = 'Making a copy that browsers can play…';
    note.textContent = said;
    const end = await poll(() => request('job', { job: clip.copy_job }), {
      wanted,
      onStep: (step) => {
        note.textContent = step.total ? said + ' ' + percent(shareOf(step) ?? 0) : said;
      },
    });
    if (end?.state === 'done') await load('footage', window);
    else if (end) note.textContent = 'This window cannot be shown: skip it. ' + end.error;
  }
  const tryLoad = (name, window) =>
    load(name, window).catch((error) => {
      if (shown === window) note.textContent = wordsOf(error);
    });

  function begin() {
    video.currentTime = shown.start_s;
    video.play().catch(() => {}); // a browser that plays nothing by itself: Space plays
  }

  function show(window) {
    shown = window;
    if (window && loaded === window.clip && video.readyState) return begin();
    loaded = null;
    video.pause();
    if (window) return tryLoad('footage', window);
    video.removeAttribute('src');
    video.load();
  }

  function requestCopy() {
    if (!shown || !video.getAttribute('src')) return;
    if (copied === shown.clip) {
      note.textContent = 'This browser cannot show this window: skip it.';
      return;
    }
    copied = shown.clip;
    tryLoad('copy', shown);
  }

  video.addEventListener('loadedmetadata', () => {
    if (!shown) return;
    if (video.videoWidth) begin();
    else requestCopy();
  });
  video.addEventListener('error', requestCopy);
  const again = () => {
    if (!shown || video.seeking) return;
    if (video.currentTime >= shown.end_s || video.ended) begin();
    else if (video.currentTime < shown.start_s - 0.1) video.currentTime = shown.start_s;
  };
  const watch = () => {
    again();
    if (shown && !video.paused && video.isConnected) requestAnimationFrame(watch);
  };
  video.addEventListener('play', () => requestAnimationFrame(watch));
  video.addEventListener('ended', again);

  return {
    show,
    toggle: () => (video.paused ? video.play().catch(() => {}) : video.pause()),
  };
}
