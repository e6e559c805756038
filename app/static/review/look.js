// A blind look at what was not flagged, in this clip or in all: random windows one by one, without score, curve or class,
// and what comes of the answers. `question` gives what every question about a review says.
import { find } from '../lib/dom.js';
import { wordsOf } from '../lib/faults.js';
import { request } from '../lib/server.js';
import { plural } from '../lib/format.js';
import { listen } from '../state.js';
import { makeLookFound } from './look_found.js';
import { makeLookForm } from './look_form.js';
import { makeLookLine } from './look_line.js';
import { makeLookPlayer } from './look_player.js';
import { send } from './sending.js';
import { makeTurns } from './turns.js';

const KEYS = { x: 'nothing', 0: 'nothing', c: 'something', t: 'unsure', s: 'skipped', u: 'undo', a: 'add' };
const SAID = { nothing: 'Nothing', something: 'Something', unsure: 'Cannot tell', skipped: 'Skipped' };

export function makeLook({ video, question, onSeek, onOpen, onTaken }) {
  const dialog = find('.rv-look');
  const part = (name) => dialog.querySelector('.rv-look' + name);
  const [at, back, found, form, fault] = ['at', 'back', 'found', 'draw', 'fault'].map(part);
  const classes = at.querySelector('select');
  const player = makeLookPlayer(at.querySelector('video'), at.querySelector('.rv-lookscreen p'));
  const showFound = makeLookFound(found, {
    onAdd: (place) => turns.add(() => addSegment(place)),
    onGo({ clip, start_s }) {
      dialog.close();
      if (ofAll) onOpen({ clip, time_s: start_s });
      else onSeek(start_s);
    },
  });
  const showForm = makeLookForm(form, (wanted) =>
    turns.add(async () => {
      fault.textContent = '';
      look = { next: null };
      show(await ask('draw_look', wanted));
    }),
  );
  const turns = makeTurns((error, dropped) => {
    fault.textContent = wordsOf(error) + (dropped ? ' ' + plural(dropped, 'answer') + ' behind it not taken.' : '');
    ask('look').then(show, () => {});
  });
  let look = null; // the newest answer
  let ofAll = false;
  let added = false; // segments, since the dialog was opened

  const about = (data) => ({ ...question(), ...(ofAll && { analysis_id: '' }), ...data });
  const ask = (name, data) => request(name, about(data));

  // Answered, however long that takes.
  async function save(name, data) {
    const asked = about(data);
    show(await send(name, () => asked, { onWait: (text) => (fault.textContent = text) }));
    fault.textContent = '';
  }

  // After the answers that were given before it was closed.
  const open = (all) => turns.addAnyway(() => begin(all));
  async function begin(all) {
    ofAll = all;
    look = null;
    fault.textContent = '';
    part('head').querySelector('p').textContent = all ? 'All clips' : find('.rv-title').textContent;
    for (const each of [at, back, found, part('other'), form]) each.hidden = true;
    video.pause();
    dialog.showModal();
    show(await ask('look'));
  }

  function show(answer) {
    const before = look?.next;
    const begun = look === null;
    look = answer;
    if (!dialog.open) return void (ofAll || line.tell(answer));
    const has = Boolean(answer.look);
    const window = has && answer.windows.find(({ place }) => place === answer.next);
    at.hidden = !window;
    found.hidden = !has || !answer.windows.some((each) => each.answer);
    part('other').hidden = !answer.other;
    part('other').textContent = answer.other ?? '';
    showForm(has, Boolean(window) && !answer.other);
    showBack(answer);
    if (has) showFound(answer, Boolean(window), ofAll);
    if (!window) {
      player.show(null);
      if (!begun && before !== null) found.querySelector('summary').focus();
      return;
    }
    const done = answer.windows.filter((each) => each.answer).length;
    part('place').textContent = 'Window ' + (done + 1) + ' of ' + answer.windows.length + ', playing over and over';
    const heard = new Option('Something: which class?', '');
    classes.replaceChildren(heard, ...answer.classes.slice(1).map((name, i) => new Option(i + 1 + ' ' + name, name)));
    if (before !== answer.next) player.show(window);
    if (before !== answer.next && !at.contains(document.activeElement)) at.focus({ preventScroll: true });
  }

  // The answer that was given last, and what can be done with it.
  function showBack({ last = null, windows = [] }) {
    back.hidden = last === null;
    if (last === null) return;
    const each = windows.find(({ place }) => place === last);
    const label = each.label ? ', ' + each.label : '';
    const [add] = back.querySelectorAll('button');
    back.querySelector('span').textContent = 'Last answer: ' + SAID[each.answer] + label + (each.added ? ', a segment now.' : '.'); // prettier-ignore
    add.hidden = each.answer !== 'something' || each.added;
  }

  async function addSegment(place) {
    await save('add_look', { look: look.look, place });
    added = true;
  }

  // One after the other: ten quick keys are ten windows.
  function say(answer, label = '') {
    turns.add(async () => {
      fault.textContent = '';
      if (!look?.look) return;
      if (answer === 'add') {
        const last = look.windows.find(({ place }) => place === look.last);
        if (last?.answer === 'something' && !last.added) await addSegment(look.last);
      } else if (answer === 'undo' ? look.last !== null : look.next !== null) {
        await save('answer_look', { look: look.look, place: look.next, answer, label, revision: look.revision });
      }
    });
  }

  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target.closest('input, select') || at.hidden + back.hidden === 2) return;
    const name = KEYS[event.key.toLowerCase()];
    const label = look?.classes?.[Number(event.key)];
    if (event.key === ' ' && !at.hidden && !event.target.matches(':is(button, summary):focus-visible')) player.toggle();
    else if (name) say(name);
    else if (/^[1-9]$/.test(event.key) && label) say('something', label);
    else return;
    event.preventDefault();
  }

  dialog.addEventListener('keydown', onKey);
  for (const act of dialog.querySelectorAll('[data-say]')) act.addEventListener('click', () => say(act.dataset.say));
  classes.addEventListener('change', () => {
    if (classes.value) say('something', classes.value);
    at.focus({ preventScroll: true }); // keys work again
  });
  part('head')
    .querySelector('button')
    .addEventListener('click', () => dialog.close());
  dialog.addEventListener('close', () => {
    player.show(null);
    if (added) onTaken();
    added = false;
    if (!ofAll && look?.look) line.tell(look);
  });

  const line = makeLookLine({ question, onOpen: open });
  listen({
    closed() {
      if (dialog.open && !ofAll) dialog.close();
    },
  });
}
