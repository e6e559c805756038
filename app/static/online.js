// Notices when the server is gone, says so, and goes on by itself when it is back.
const PULSE_MS = 4000;
const PULSE_LIMIT_MS = 10000;

function makeOnline({ onBack }) {
  const banner = find('.rv-offline');
  let away = false;

  async function answers() {
    try {
      await fetch(address('gradio_api/app_id'), { cache: 'no-store', signal: AbortSignal.timeout(PULSE_LIMIT_MS) });
      return true;
    } catch {
      return false;
    }
  }

  async function look() {
    const here = (await answers()) || (!away && (await pause(500), await answers())); // one lost answer is no outage
    if (here === !away) return;
    away = !here;
    banner.hidden = here;
    find('.rv').classList.toggle('rv-away-server', away);
    if (here) await onBack();
  }

  async function watch() {
    while (element.isConnected) {
      await pause(away ? PULSE_MS / 2 : PULSE_MS);
      if (!document.hidden || away) await look().catch(() => {});
    }
  }
  watch();
  return { look };
}
