// The bar under the video: the clock, the speed, the sound, the full screen.
import { find } from '../lib/dom.js';
import { clock } from '../lib/format.js';
import { listen, state } from '../state.js';

const SPEEDS = [0.1, 0.25, 0.5, 1, 1.5, 2, 4, 8, 16];

export function makeBar(video, transport) {
  const root = find('.rv');
  const speed = find('.rv-speed select');

  video.addEventListener('click', transport.toggle);
  video.addEventListener('volumechange', () => {
    root.classList.toggle('rv-muted', video.muted);
    find('.rv-mute').ariaPressed = video.muted;
  });
  for (const rate of SPEEDS) speed.append(new Option(rate + '×', rate, rate === 1, rate === 1));
  speed.addEventListener('change', () => transport.setSpeed(Number(speed.value)));
  video.addEventListener('ratechange', () => {
    speed.value = String(video.playbackRate);
  });
  listen({
    moved(time) {
      find('.rv-now').textContent = clock(time);
      find('.rv-frame').textContent = state.clip ? 'frame ' + transport.frame(time) : '';
      root.classList.toggle('rv-playing', !video.paused);
      find('.rv-play').ariaLabel = video.paused ? 'Play' : 'Pause';
    },
  });

  const by = (seconds) => () => transport.seek(transport.now() + seconds);
  return {
    toggle: transport.toggle,
    rewind: () => transport.shuttle(-1),
    faster: () => transport.shuttle(1),
    back: () => transport.stepFrames(-1),
    forward: () => transport.stepFrames(1),
    back5: by(-5),
    forward5: by(5),
    back1: by(-1),
    forward1: by(1),
    once: () => {
      if (state.segment) transport.playOnce(state.segment.start_s, state.segment.end_s);
    },
    mute: () => {
      video.muted = !video.muted;
    },
    screen: () => {
      if (document.fullscreenElement) document.exitFullscreen();
      else find('.rv-stage').requestFullscreen();
    },
  };
}
