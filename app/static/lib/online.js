// Notices when the server is gone, says so, and goes on by itself when it is back.
import { find } from './dom.js';
import { passBy } from './faults.js';
import { address } from './host.js';
import { pause } from './jobs.js';

const PULSE_MS = 4000;
const PULSE_LIMIT_MS = 10000;

export function watchServer(onBack) {
  const banner = find('.rv-offline');
  let away = false;
  let looking = false;

  async function answers() {
    try {
      await fetch(address('gradio_api/app_id'), { cache: 'no-store', signal: AbortSignal.timeout(PULSE_LIMIT_MS) });
      return true;
    } catch {
      return false;
    }
  }

  async function look() {
    if (looking || !banner.isConnected) return;
    looking = true;
    const here = (await answers()) || (!away && (await pause(500), await answers())); // one lost answer is no outage
    looking = false;
    if (here === !away) return;
    away = !here;
    banner.hidden = here;
    find('.rv').classList.toggle('rv-away-server', away);
    if (here) onBack().catch(passBy); // not waited for: it may follow an analysis to its end
  }

  async function watch() {
    while (banner.isConnected) {
      await pause(away ? PULSE_MS / 2 : PULSE_MS);
      if (!document.hidden || away) await look();
    }
  }
  // A page that comes to the front, or a machine that wakes, need not wait for the next pulse.
  document.addEventListener('visibilitychange', () => !document.hidden && look());
  window.addEventListener('online', look);
  watch();
}
