// How the library is cut for this reviewer: one threshold, length and gap for every list, count, filter and export. What is
// set on a clip holds for all of them as soon as it rests; the server keeps it.
import { passBy } from '../lib/faults.js';
import { request } from '../lib/server.js';
import { refresh } from '../library/status.js';
import { listen, setCut, state, tell } from '../state.js';

const REST_MS = 400;

export function makeLibraryCut({ reviewer, onChoices }) {
  let kept = ''; // as the server has it
  let timer = null;
  const now = () => JSON.stringify(state.cut);

  async function load() {
    const choices = await request('choices', { reviewer: reviewer() });
    kept = JSON.stringify({ ...state.cut, ...choices.cut });
    onChoices(choices);
    setCut(choices.cut);
  }

  async function keep() {
    if (!kept || now() === kept) return;
    kept = now();
    await request('choose', { reviewer: reviewer(), ...state.cut });
    tell('recut');
    await refresh();
  }
  function keepSoon() {
    clearTimeout(timer);
    timer = setTimeout(() => keep().catch(passBy), REST_MS);
  }

  listen({
    cutting: keepSoon,
    restored: keepSoon, // an address may say another
    reviewer() {
      kept = '';
      load().then(refresh).catch(passBy);
    },
  });
  return { load };
}
