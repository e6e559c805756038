// The footage of a clip on the video element. A copy is requested when the browser plays the audio but shows nothing, or
// nothing at all.
import { find } from '../lib/dom.js';
import { wordsOf } from '../lib/faults.js';
import { percent } from '../lib/format.js';
import { poll, shareOf } from '../lib/jobs.js';
import { request } from '../lib/server.js';
import { listen, state } from '../state.js';

const WAITING = 'Making a copy that browsers can play…';

export function makeFootage(video, transport) {
  const note = find('.rv-novideo');
  let startAt = 0; // where playback is as soon as there is something to play
  let requested = false;

  const moment = () => (video.duration ? transport.now() : startAt);

  async function load(clip, time) {
    const { visit } = state;
    startAt = time;
    transport.load(clip.url, clip);
    note.textContent = clip.url ? '' : WAITING;
    find('.rv-screen').style.setProperty('--aspect', clip.aspect);
    if (!clip.copy_job) return;
    const end = await poll(() => request('job', { job: clip.copy_job }), {
      wanted: () => state.visit === visit,
      onStep: (step) => {
        note.textContent = step.total ? WAITING + ' ' + percent(shareOf(step) ?? 0) : WAITING;
      },
    });
    if (!end) return;
    if (end.state === 'done') await load(await request('copy', { clip: clip.sha256 }), moment());
    else note.textContent = 'This clip cannot be shown. ' + end.error;
  }

  const show = (clip, time) =>
    load(clip, time).catch((error) => {
      note.textContent = wordsOf(error);
    });

  async function requestCopy() {
    if (!state.clip) return;
    if (requested) {
      note.textContent = 'This browser cannot show the picture of this clip.';
      return;
    }
    requested = true;
    try {
      await load(await request('copy', { clip: state.clip }), moment());
    } catch (error) {
      note.textContent = wordsOf(error);
    }
  }

  video.addEventListener('loadedmetadata', () => {
    if (video.videoWidth) transport.begin(startAt);
    else requestCopy();
  });
  video.addEventListener('error', () => {
    if (video.getAttribute('src')) requestCopy();
  });
  listen({
    closed() {
      requested = false;
    },
  });

  return {
    show,
    clear: () => transport.load(null, { fps: 24, duration_s: 0 }),
    isBroken: () => note.textContent !== '',
    startAt: (time) => {
      startAt = time; // for footage that is not there yet
    },
  };
}
