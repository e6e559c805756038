// How the library is cut for this reviewer: one threshold, length and gap for every list, count, filter and export. What is
// set on a clip holds for all of them as soon as it rests; the server keeps it.
import { find } from '../lib/dom.js';
import { passBy } from '../lib/faults.js';
import { focusAfter } from '../lib/focus.js';
import { request, requestLeaving } from '../lib/server.js';
import { refresh } from '../library/status.js';
import { listen, setCut, state, tell, USUAL_CUT } from '../state.js';

const REST_MS = 400;
const NAMES = { threshold: 'threshold', min_length_s: 'least length (s)', merge_gap_s: 'merge gap (s)' };

export function makeLibraryCut({ reviewer, onChoices }) {
  let kept = ''; // as the server has it
  let whose = ''; // reviewer
  let timer = null;
  const now = () => JSON.stringify(state.cut);

  async function load() {
    const name = reviewer();
    const choices = await request('choices', { reviewer: name });
    whose = name;
    kept = JSON.stringify({ ...state.cut, ...choices.cut });
    onChoices(choices);
    setCut(choices.cut);
  }

  const isUnsent = () => kept && now() !== kept;
  const choice = () => ({ reviewer: whose, ...state.cut });
  async function keep() {
    if (!isUnsent()) return;
    kept = now();
    await request('choose', choice()).catch((error) => {
      kept &&= 'not as here';
      throw error;
    });
    tell('recut');
    await refresh();
  }
  function keepSoon() {
    clearTimeout(timer);
    timer = setTimeout(() => keep().catch(passBy), REST_MS);
  }

  // Beside the list of events too: what is not as usual decides what it holds.
  const told = find('.rv-ev-cut');
  function show() {
    const words = Object.keys(USUAL_CUT)
      .filter((name) => state.cut[name] !== USUAL_CUT[name])
      .map((name) => NAMES[name] + ' ' + state.cut[name]);
    told.hidden = !words.length;
    told.firstChild.textContent = 'cut by ' + words.join(', ');
  }
  told.querySelector('button').addEventListener('click', (press) => {
    focusAfter(press, find('.rv-ev-wish input'));
    setCut(USUAL_CUT);
  });
  function cutting() {
    show();
    keepSoon();
  }

  window.addEventListener('pagehide', () => {
    if (isUnsent()) requestLeaving('choose', choice());
  });
  listen({
    cutting,
    back: keepSoon,
    restored: cutting, // an address may say another
    reviewer() {
      keep().catch(passBy); // of the one before
      kept = '';
      load().then(refresh).catch(passBy);
    },
  });
  return { load };
}
