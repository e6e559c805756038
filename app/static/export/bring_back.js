// Decisions come back from a table or data file that was exported earlier.
import { find, handOver, sayIn, takeChoice, takeDrops } from '../lib/dom.js';
import { Told, wordsOf } from '../lib/faults.js';
import { plural } from '../lib/format.js';
import { request } from '../lib/server.js';
import { state } from '../state.js';

export function makeBringBack({ question, isNamed, onTaken }) {
  const back = find('.rv-exportback');
  const found = back.querySelector('.rv-exportsaid');
  const [choose, takeIt] = back.querySelector('.rv-exportacts').children;
  let file = null; // what was chosen: { name, text }

  function forget(text = '', failed = false) {
    file = null;
    handOver(takeIt, choose);
    takeIt.hidden = true;
    sayIn(found, text, failed);
  }
  const fail = (error) => forget(wordsOf(error), true);

  async function preview(blob) {
    forget('Reading ' + blob.name + '…');
    const read = { name: blob.name, text: await blob.text() };
    const facts = await request('import_preview', { analysis_id: state.analysis, ...read });
    const states = Object.entries(facts.states).filter(([, n]) => n);
    const words = [plural(facts.n, 'segment'), ...states.map(([name, n]) => n + ' ' + name)];
    if (facts.looks) words.push(plural(facts.looks, 'blind look'));
    if (facts.reviewers.length) words.push('by ' + facts.reviewers.join(', '));
    const other = 'Made of another file than this clip' + (facts.clip_name ? ' (' + facts.clip_name + ')' : '') + '. ';
    forget((facts.same_clip ? '' : other) + blob.name + ': ' + words.join(', ') + '.', !facts.same_clip);
    if (!facts.n && !facts.looks) return;
    file = read;
    takeIt.hidden = false;
    takeIt.textContent = facts.same_clip ? 'Bring back' : 'Bring back all the same';
  }

  async function takeIn() {
    if (!isNamed()) throw new Told('Say your name first, at the top of the page: decisions are kept by name.');
    const { n, looks } = await request('import_marks', { ...question(), ...file });
    const more = looks ? ' and ' + plural(looks, 'blind look') : '';
    forget(plural(n, 'segment') + more + (n === 1 && !looks ? ' was' : ' were') + ' taken in.');
    onTaken();
  }

  const look = (blob) => preview(blob).catch(fail);
  takeIt.addEventListener('click', () => takeIn().catch(fail));
  takeChoice(choose, back.querySelector('input'), ([blob]) => look(blob));
  takeDrops(back.parentElement, 'rv-exportover', look);
  return { forget };
}
