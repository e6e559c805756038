// Small words used by every part. `element`, `props`, `server` are Gradio's; all parts share one function scope.
const find = (selector) => element.querySelector(selector);
const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

function make(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text; // names and labels are untrusted: never innerHTML
  return made;
}

function clock(seconds, digits = 2) {
  const unit = 10 ** digits;
  const ticks = Math.round(Math.max(0, seconds) * unit);
  const whole = Math.floor(ticks / unit);
  const two = (n) => String(n).padStart(2, '0');
  const hours = whole >= 3600 ? Math.floor(whole / 3600) + ':' : '';
  const rest = digits ? '.' + String(ticks % unit).padStart(digits, '0') : '';
  return hours + two(Math.floor(whole / 60) % 60) + ':' + two(whole % 60) + rest;
}

// Ask Python. Answers with `error`, and a server that does not answer, become exceptions with a text for people.
async function ask(name, data = {}) {
  const answer = await server[name](data);
  if (answer === undefined) throw new Error('The server does not answer. Is it still running?');
  if (answer.error && !('state' in answer) && !('model' in answer)) throw new Error(answer.error);
  return answer;
}

// What this browser remembers of its user; storage may be forbidden, and then nothing is remembered.
function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}
function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // only comfort is lost
  }
}

// The keyboard is not lost when what has the focus disappears: it goes on at `next`.
function handOver(gone, next) {
  if (gone.contains(document.activeElement)) next.focus({ preventScroll: true });
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const say = (text) => {
  find('.rv-live').textContent = text;
};

// Every address is relative to the page, so that it works under a sub-path.
const address = (url) => new URL(url, document.baseURI).href;

// Parts of the page listen to each other through `tell`. A part may have:
//   opened(facts, curves)  an analysis is on screen            closed()        another clip, or none
//   cut(answer)            segments were cut at a threshold    panel(name)     a tab is shown
//   reviewed(answer)       the same, or a decision was taken   selected(s)     the segment in hand, or null
//   moved(time)            the playback position               truth(spans)    the clip's ground truth, [] for none
//   lasso(times)           snippets chosen on the map, or []   film()          `timeline.previews.frameAt` has pictures
//   viewed({from, to, toPx, lanes, width})  the part of the timeline in view, and how it is laid out
//   address(query)         writes what a link must restore into a clip's address (names in ADDRESSED of page.js)
const parts = [];
const tell = (what, ...facts) => {
  for (const part of parts) part[what]?.(...facts);
};
