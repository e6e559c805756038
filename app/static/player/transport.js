// The video element behind one clock: seeks never pile up, and `now()` is where the user requested to be.
import { clamp } from '../lib/format.js';
import { address } from '../lib/host.js';
import * as notice from '../lib/notice.js';
import { listen, tell } from '../state.js';

export function makeTransport(video) {
  let wanted = null; // target of a seek under way
  let queued = null; // newer target, taken up when the seek ends
  let reverse = 0;
  let reverseTimer = null;
  let stopAt = null;
  let fps = 24;
  let length = 0;
  let speed = 1; // as chosen; J and L go faster for as long as it plays

  const now = () => queued ?? wanted ?? video.currentTime;
  const end = () => length || video.duration || 0;

  // `stop`: where playback is to end.
  function seek(time, stop = null) {
    stopAt = stop;
    const target = clamp(time, 0, Math.max(0, (video.duration || end()) - 0.001));
    if (!video.duration) return tell('moved', target);
    if (wanted !== null) queued = target;
    else {
      wanted = target;
      video.currentTime = target;
    }
    tell('moved', target);
  }

  video.addEventListener('seeked', () => {
    wanted = null;
    if (queued !== null) {
      wanted = queued;
      queued = null;
      video.currentTime = wanted;
    }
    tell('moved', now());
  });

  function halt() {
    clearInterval(reverseTimer);
    reverse = 0;
  }

  function pauseAll() {
    halt();
    video.pause();
    video.playbackRate = speed;
  }

  function play(rate = video.paused ? speed : video.playbackRate) {
    halt();
    video.playbackRate = rate;
    video.play().catch((error) => {
      // Paused before it began, or begun by itself on a page that nobody has touched yet.
      if (['AbortError', 'NotAllowedError'].includes(error.name)) return;
      console.warn(error);
      notice.show('decision', 'This browser cannot play this clip.', { bad: true });
    });
  }
  video.addEventListener('pause', () => {
    if (video.paused) video.playbackRate = speed; // the event comes late, when L may have been pressed again
  });

  function toggle() {
    if (reverse || !video.paused) pauseAll();
    else {
      if (video.ended || now() >= end() - 0.05) seek(0);
      play();
    }
  }

  // Browsers cannot play backwards: J steps back ten times a second.
  function shuttle(direction) {
    if (direction > 0) return play(video.paused || reverse ? 1 : Math.min(16, video.playbackRate * 2));
    const faster = reverse ? Math.min(16, reverse * 2) : 1;
    pauseAll();
    reverse = faster;
    reverseTimer = setInterval(() => {
      if (now() <= 0) halt();
      else seek(now() - reverse / 10);
    }, 100);
  }

  function stepFrames(count) {
    pauseAll();
    seek((Math.floor(now() * fps + 1e-3) + count + 0.5) / fps);
  }

  function playOnce(from, to) {
    seek(from, to);
    play();
  }

  function tick() {
    if (stopAt !== null && video.currentTime >= stopAt) {
      stopAt = null;
      video.pause();
    }
    tell('moved', now());
    if (!video.paused && video.isConnected) requestAnimationFrame(tick);
  }
  video.addEventListener('play', () => requestAnimationFrame(tick));
  for (const kind of ['timeupdate', 'pause']) video.addEventListener(kind, () => tell('moved', now()));

  function load(url, facts) {
    pauseAll();
    wanted = queued = stopAt = null;
    fps = facts.fps;
    length = facts.duration_s;
    if (url) video.src = address(url);
    else {
      video.removeAttribute('src');
      video.load();
    }
  }

  listen({
    address: (query) => query.set('t', now().toFixed(2)),
    analysed: ({ duration_s }) => {
      length = duration_s;
    },
  });

  return {
    now,
    end,
    seek: (time) => seek(time),
    begin: (time) => seek(time, stopAt), // of footage that is here now: what was to be played once still is
    toggle,
    shuttle,
    stepFrames,
    playOnce,
    load,
    frame: (time) => Math.floor(time * fps + 1e-3),
    setSpeed: (rate) => {
      speed = rate;
      video.playbackRate = video.defaultPlaybackRate = rate; // the next clip begins with the default
    },
  };
}
