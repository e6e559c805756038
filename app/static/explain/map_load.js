// Waits until the server has placed the snippets of a map. Answers with the address of the map; null: cancelled, or
// nobody waits for it any more.
import { find, showShare } from '../lib/dom.js';
import { passBy, Told } from '../lib/faults.js';
import { clock } from '../lib/format.js';
import { poll, shareOf } from '../lib/jobs.js';
import { request } from '../lib/server.js';

export async function placeSnippets(question, { wanted, onCancelled }) {
  const work = find('.rv-map-work');
  const first = await request('map', question);
  if (wanted()) work.hidden = Boolean(first.url); // else that of an earlier question would stay
  if (first.url) return first.url;
  if (wanted()) {
    work.querySelector('button').onclick = () => request('map_cancel', first).catch(passBy);
    showShare(work.querySelector('.rv-progress'), null);
  }
  try {
    const end = await poll(() => request('map_job', first), {
      wanted,
      onStep(step) {
        const far = step.total ? step.done + 1 + ' of ' + step.total + ': ' : '';
        const words = (step.message ? far + step.message : 'Waiting') + ' · ' + clock(step.elapsed_s, 0);
        work.querySelector('span').textContent = words;
        showShare(work.querySelector('.rv-progress'), shareOf(step));
      },
      every_ms: 250,
    });
    if (!end) await request('map_cancel', first);
    else if (end.state === 'failed') throw new Told(end.error);
    else if (end.state === 'done') return (await request('map', question)).url;
    else onCancelled();
    return null;
  } finally {
    if (wanted()) work.hidden = true;
  }
}
