// A small frame of each segment's peak in its row, loaded when the row comes into view: a day of video has many sheets.
import { find } from '../lib/dom.js';
import { listen } from '../state.js';

const FRAME_PX = 27;

export function makeFrames({ byId }) {
  const table = find('.rv-table');
  let frameAt = null; // of the clip on screen, as soon as there are frames
  const watcher = new IntersectionObserver(
    (seen) => {
      for (const { target, isIntersecting } of seen) if (isIntersecting) draw(target);
    },
    { root: find('.rv-tables'), rootMargin: '200px' },
  );

  function draw(row) {
    watcher.unobserve(row);
    const mark = byId(row.dataset.id);
    if (!frameAt || !mark) return;
    const time = mark.peak_s ?? (mark.start_s + mark.end_s) / 2;
    Object.assign(row.querySelector('.rv-frameof').style, frameAt(time, FRAME_PX).style);
  }

  function watch() {
    watcher.disconnect();
    if (frameAt) for (const row of table.querySelectorAll('tr[data-id]')) watcher.observe(row);
    table.classList.toggle('rv-framed', Boolean(frameAt));
  }

  listen({
    filmed(given) {
      frameAt = given;
      watch();
    },
    closed() {
      frameAt = null;
    },
    back() {
      for (const frame of table.querySelectorAll('.rv-frameof')) frame.removeAttribute('style'); // it may not have come
      watch();
    },
  });
  return { watch };
}
