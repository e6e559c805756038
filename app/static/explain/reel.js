// The frame of a moment of any clip, from a second video that nobody sees; the newest wish wins.
import { make } from '../lib/dom.js';

export function makeReel(canvas) {
  const reel = make('video');
  let wanted = null;
  let busy = false;
  reel.muted = true;
  reel.preload = 'auto';

  function draw() {
    const wide = canvas.width;
    canvas.height = Math.round((wide * reel.videoHeight) / Math.max(1, reel.videoWidth));
    canvas.getContext('2d').drawImage(reel, 0, 0, wide, canvas.height);
    canvas.hidden = !reel.videoWidth;
  }
  function next() {
    if (busy || wanted === null || reel.readyState < 1) return;
    busy = true;
    reel.currentTime = Math.min(wanted, reel.duration - 0.01);
    wanted = null;
  }
  reel.addEventListener('loadedmetadata', next);
  reel.addEventListener('seeked', () => {
    busy = false;
    draw();
    next();
  });
  return (url, time) => {
    if (!url) return;
    if (reel.src !== url) {
      canvas.hidden = true;
      busy = false;
      reel.src = url;
    }
    wanted = time;
    next();
  };
}
