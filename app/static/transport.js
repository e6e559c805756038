// The video element behind one clock: seeks never pile up, and `now()` is where the user asked to be.
function makeTransport(video, onMove) {
  const SPEEDS = [0.1, 0.25, 0.5, 1, 1.5, 2, 4, 8, 16];
  let wanted = null; // target of a seek under way
  let queued = null; // newer target, taken up when the seek ends
  let reverse = 0;
  let reverseTimer = null;
  let stopAt = null;
  let fps = 24;
  let length = 0;

  const now = () => queued ?? wanted ?? video.currentTime;
  const end = () => length || video.duration || 0;

  function seek(time) {
    const target = clamp(time, 0, Math.max(0, (video.duration || end()) - 0.001));
    if (!video.duration) return onMove(target);
    stopAt = null;
    if (wanted !== null) queued = target;
    else {
      wanted = target;
      video.currentTime = target;
    }
    onMove(target);
  }

  video.addEventListener('seeked', () => {
    wanted = null;
    if (queued !== null) {
      wanted = queued;
      queued = null;
      video.currentTime = wanted;
    }
    onMove(now());
  });

  function halt() {
    clearInterval(reverseTimer);
    reverse = 0;
  }

  function pauseAll() {
    halt();
    video.pause();
  }

  function play(rate) {
    halt();
    if (rate) video.playbackRate = rate;
    video.play().catch((error) => {
      if (error.name !== 'AbortError') say('This clip cannot be played: ' + error.message);
    });
  }

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
    seek(from);
    stopAt = to;
    play();
  }

  function tick() {
    if (stopAt !== null && video.currentTime >= stopAt) {
      stopAt = null;
      video.pause();
    }
    onMove(now());
    if (!video.paused && element.isConnected) requestAnimationFrame(tick);
  }
  video.addEventListener('play', () => requestAnimationFrame(tick));
  video.addEventListener('timeupdate', () => onMove(now()));

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

  return {
    now,
    end,
    seek,
    toggle,
    shuttle,
    stepFrames,
    playOnce,
    load,
    pause: pauseAll,
    speeds: SPEEDS,
    frame: (time) => Math.floor(time * fps + 1e-3),
    setLength: (seconds) => {
      length = seconds;
    },
    setSpeed: (rate) => {
      video.playbackRate = rate;
    },
  };
}
