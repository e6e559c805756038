// Taking a review away as files: a button beside the clip's title and the dialog it opens. Other buttons, in the library,
// take the decisions on all clips away as training labels, or their segments as a reel, by the same dialog; so does one
// above the events, for those that are selected.
// `question` gives what every question about a review says: { analysis_id, reviewer } and how segments are cut.
import { find, handOver, sayIn, showShare } from '../lib/dom.js';
import { wordsOf } from '../lib/faults.js';
import { address } from '../lib/host.js';
import { isOver, poll, shareOf } from '../lib/jobs.js';
import { request } from '../lib/server.js';
import { listen } from '../state.js';
import { makeBringBack } from './bring_back.js';
import { makeReelChoice } from './reel.js';

const WORDS = {
  pictures: 'Taking pictures',
  clips: 'Cutting clips',
  cutting: 'Cutting the reel',
  reel: 'Putting the reel together',
  'checking the reel': 'Checking the reel',
  'reading decisions': 'Reading decisions',
  'placing snippets': 'Placing snippets on a map',
  'drawing figures': 'Drawing figures',
  packing: 'Packing',
};
const REEL_SAID = 'A table beside the reel says what is where in it, and what was left out.';
// What the dialog may be about, beside the clip on screen
const OF_ALL = {
  labels: {
    request: 'export_labels',
    title: 'Export training labels',
    said:
      'The decisions on every reviewed clip, with the features they were made on. They adapt the model to your footage: ' +
      'python -m cmhkf train --finetune demo --labels FILE --out FOLDER',
  },
  reel: {
    request: 'reel',
    title: 'Make a reel',
    said: 'Segments of all clips of the library, in order of the clips’ names, as one annotated MP4.',
  },
  events: {
    request: 'reel_events',
    title: 'Make a reel',
    said: 'These and no others, in order of time, as one annotated MP4.',
  },
};

export function makeExport({ question, isNamed, onTaken }) {
  const opener = find('.rv-takeaway');
  const openers = { labels: find('.rv-takelabels'), reel: find('.rv-takereel') };
  const dialog = find('.rv-export');
  const form = dialog.querySelector('form');
  const files = form.querySelector('fieldset');
  const bar = form.querySelector('.rv-progress');
  const said = form.querySelector('.rv-exportsaid');
  const [go, link, stop, close] = form.querySelector('.rv-exportacts').children;
  const bringBack = makeBringBack({ question, isNamed, onTaken });
  const reel = makeReelChoice();
  let job = null;
  let asked = null; // the first answer to what is being made
  let ofAll = ''; // a key of OF_ALL where the dialog is about all clips
  let selected = {}; // where it is about events: what names them

  const isReel = () => (ofAll ? ofAll !== 'labels' : chosen().includes('reel'));
  const chosen = () => [...files.elements].filter((box) => box.checked).map((box) => box.name);

  function show(all, events = {}, words = '') {
    if (!job) {
      ofAll = all;
      selected = events;
      dialog.querySelector('h2').textContent = OF_ALL[all]?.title ?? 'Export';
      dialog.querySelector('.rv-exportclip').textContent = OF_ALL[all]
        ? words + OF_ALL[all].said
        : find('.rv-title').textContent;
      for (const part of [files, form.querySelector('.rv-exportwide'), find('.rv-exportback')])
        part.hidden = all !== '';
      rest('');
    }
    bringBack.forget();
    dialog.showModal();
  }

  function rest(text, failed = false) {
    job = null;
    files.disabled = false;
    bar.hidden = stop.hidden = link.hidden = true;
    go.hidden = false;
    go.disabled = !ofAll && chosen().length === 0;
    reel.show(isReel(), ofAll);
    sayIn(said, text || hint(), failed);
    handOver(stop, go);
  }
  const fail = (error) => rest(wordsOf(error), true);

  function hint() {
    if (ofAll === 'labels') return '';
    if (ofAll) return REEL_SAID;
    const kinds = chosen();
    if (!kinds.length) return 'Choose at least one file.';
    const zipped = kinds.length > 1 || ['clips', 'reel', 'figures'].includes(kinds[0]);
    const words = zipped ? 'You get one zip, with SHA-256 checksums of what is in it.' : '';
    return kinds.includes('reel') ? words + ' ' + REEL_SAID : words;
  }

  function working(step) {
    files.disabled = true;
    go.hidden = link.hidden = true;
    bar.hidden = stop.hidden = false;
    handOver(go, stop);
    showShare(bar, shareOf(step));
    const words = step.state === 'queued' ? 'Waiting for the export before it' : (WORDS[step.stage] ?? 'Writing');
    sayIn(said, words + (step.message ? ', ' + step.message : '') + '…');
  }

  function ready(url) {
    const name = decodeURIComponent(url.split('/').pop());
    rest(name + ' is ready.');
    link.hidden = false;
    go.hidden = true;
    Object.assign(link, { href: address(url), download: name, textContent: 'Save ' + name });
    link.focus();
  }

  async function begin() {
    const kinds = chosen();
    const wanted = { kinds, with_dismissed: form.elements.with_dismissed.checked };
    if (isReel()) Object.assign(wanted, reel.wanted());
    working({ total: null });
    asked = request(OF_ALL[ofAll]?.request ?? 'export', { ...question(), ...wanted, ...selected });
    let step = await asked;
    const mine = (job = step.job);
    if (!isOver(step)) {
      working(step);
      step = await poll(() => request('export_job', { job: mine }), { wanted: () => job === mine, onStep: working });
    }
    if (step?.state === 'done') ready(step.result);
    else if (step?.state === 'failed') rest(step.error, true);
    else if (step) rest('Cancelled.');
  }

  opener.addEventListener('click', () => show(''));
  for (const [all, button] of Object.entries(openers)) button.addEventListener('click', () => show(all));
  stop.addEventListener('click', () => asked.then((step) => request('export_cancel', { job: step.job })).catch(fail));
  close.addEventListener('click', () => dialog.close());
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    begin().catch(fail);
  });
  form.addEventListener('change', () => {
    if (!job) rest('');
  });
  listen({
    status: ({ library }) => {
      openers.labels.hidden = !library.some((entry) => entry.review?.decided);
      openers.reel.hidden = !library.some((entry) => entry.analysis_id);
    },
    opened: () => {
      opener.hidden = false;
    },
    closed: () => {
      opener.hidden = true;
      if (ofAll) return;
      job = null;
      if (dialog.open) dialog.close();
    },
  });
  // `events` names them as a decision does, `words` says how many they are.
  return { reelOf: (events, words) => show('events', events, words + '. ') };
}
