// The bar under the video: the clock, the speed, the audio, the full screen.
import { find, say } from '../lib/dom.js';
import { clamp, clock, percent } from '../lib/format.js';
import { recall, remember } from '../lib/memory.js';
import { listen, state } from '../state.js';

const SPEEDS = [0.1, 0.25, 0.5, 1, 1.5, 2, 4, 8, 16];
const [VOLUME, MUTED] = ['cmhkf-volume', 'cmhkf-muted'];

export function makeBar(video, transport) {
  const root = find('.rv');
  const speed = find('.rv-speed select');
  const volume = find('.rv-volume');

  video.addEventListener('click', transport.toggle);
  video.addEventListener('volumechange', () => {
    root.classList.toggle('rv-muted', video.muted);
    find('.rv-mute').ariaPressed = video.muted;
    volume.value = String(video.muted ? 0 : video.volume);
    remember(VOLUME, String(video.volume));
    remember(MUTED, video.muted ? 'yes' : 'no');
  });
  function setVolume(value) {
    video.volume = clamp(Math.round(20 * value) / 20, 0, 1);
    video.muted = video.volume === 0;
  }
  const louder = (step) => () => {
    setVolume((video.muted ? 0 : video.volume) + step);
    say('Volume ' + percent(video.volume));
  };
  volume.addEventListener('input', () => setVolume(Number(volume.value)));
  setVolume(Number(recall(VOLUME) ?? 1));
  video.muted = recall(MUTED) === 'yes';

  for (const rate of SPEEDS) speed.append(new Option(rate + '×', rate, rate === 1, rate === 1));
  speed.addEventListener('change', () => {
    transport.setSpeed(Number(speed.value));
    speed.blur(); // keys work again
  });
  function slower() {
    transport.setSpeed(SPEEDS.findLast((rate) => rate < video.playbackRate) ?? SPEEDS[0]);
    say('Speed ' + video.playbackRate);
  }
  function quicker() {
    transport.setSpeed(SPEEDS.find((rate) => rate > video.playbackRate) ?? SPEEDS.at(-1));
    say('Speed ' + video.playbackRate);
  }
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
    slower,
    quicker,
    mute: () => {
      video.muted = !video.muted;
    },
    louder: louder(0.1),
    quieter: louder(-0.1),
    screen: () => {
      if (document.fullscreenElement) document.exitFullscreen();
      else find('.rv-clip').requestFullscreen(); // with the curve under the video
    },
  };
}
