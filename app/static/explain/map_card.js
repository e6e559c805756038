// The card beside a point of the map: the frame of that moment, and what it is.
import { find } from '../lib/dom.js';
import { clamp } from '../lib/format.js';
import { address } from '../lib/host.js';
import { request } from '../lib/server.js';
import { state } from '../state.js';
import { makeReel } from './reel.js';

export function makeMapCard(video) {
  const field = find('.rv-map-field');
  const card = find('.rv-map-card');
  const showFrame = makeReel(card.querySelector('canvas'));
  const addresses = new Map(); // of videos, by analysis
  let wanted = null;

  async function footageOf(analysis_id) {
    if (analysis_id === state.analysis) return video.currentSrc || video.src;
    if (!addresses.has(analysis_id)) {
      const found = request('show', { analysis_id }).then(({ clip }) => clip.url && address(clip.url));
      addresses.set(analysis_id, found.catch(() => null)); // prettier-ignore
    }
    return addresses.get(analysis_id);
  }

  // Beside the point, on the side where the window has room; fixed, so that no scrolling box cuts it off.
  function place([x, y]) {
    const corner = field.getBoundingClientRect();
    const [left, top] = [corner.left + x, corner.top + y];
    const room = card.offsetWidth + 14;
    card.style.left = clamp(left + room > innerWidth ? left - room : left + 14, 4, innerWidth - room) + 'px';
    const low = top > innerHeight / 2;
    card.style.top = low ? 'auto' : top + 10 + 'px';
    card.style.bottom = low ? innerHeight - top + 10 + 'px' : 'auto';
  }

  return {
    async show(words, spot, analysis_id, time) {
      const mine = (wanted = {});
      card.hidden = false;
      card.querySelector('p').textContent = words;
      place(spot);
      const url = await footageOf(analysis_id);
      if (wanted === mine) showFrame(url, time);
    },
    hide() {
      wanted = null;
      card.hidden = true;
    },
  };
}
