// The controls under the video: they show the selected segment and change it; the first-use hint; the loop.
import { find, handOver } from '../lib/dom.js';
import { recall, remember } from '../lib/memory.js';
import { listen, state } from '../state.js';

export function makeDecideBar({ video, decisions, transport }) {
  const bar = find('.rv-decide');
  const label = find('.rv-label');
  const note = find('.rv-note');
  const loopButton = find('[data-do="loop"]');
  let noteOf = null; // whose note is being typed, whatever is selected meanwhile
  let looping = false;

  function show(mark) {
    bar.dataset.state = mark?.state ?? '';
    const remove = find('[data-do="remove"]');
    const held = document.activeElement;
    const decidable = mark && !state.curves?.growing;
    for (const control of bar.querySelectorAll('[data-needs="segment"]'))
      control.disabled = !(control === loopButton ? mark : decidable);
    remove.disabled = !decidable || Boolean(mark.model_label);
    if (bar.contains(held) && held.disabled) find('[data-do="undo"]').focus(); // a disabled control loses the focus
    for (const [action, wanted] of [
      ['confirm', 'confirmed'],
      ['dismiss', 'dismissed'],
    ])
      find('.rv-decide [data-do="' + action + '"]').ariaPressed = String(mark?.state === wanted);
    label.value = mark?.label ?? '';
    label.title = mark?.model_label ? 'The model says ' + mark.model_label : '';
    if (document.activeElement !== note) note.value = mark?.note ?? '';
  }

  label.addEventListener('change', () => {
    decisions.label(label.value);
    label.blur(); // keys work again
  });
  note.addEventListener('focus', () => {
    noteOf = state.segment;
  });
  note.addEventListener('change', () => {
    if (noteOf && note.value !== noteOf.note) decisions.note(noteOf.id, note.value);
  });
  note.addEventListener('blur', () => show(state.segment));
  note.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') note.blur();
  });

  function setLoop(on) {
    looping = on;
    loopButton.ariaPressed = String(on);
  }
  const again = () => transport.playOnce(state.segment.start_s, Infinity);
  video.addEventListener('ended', () => {
    if (looping && state.segment) again();
  });

  const hint = find('.rv-hint');
  const KNOWN = 'cmhkf-keys-known';
  hint.hidden = recall(KNOWN) === 'yes';
  function learn() {
    if (hint.hidden) return;
    handOver(hint, find('.rv-tabs [aria-selected="true"]'));
    hint.hidden = true;
    remember(KNOWN, 'yes');
  }
  hint.querySelector('button').addEventListener('click', learn);

  listen({
    opened(_facts, curves) {
      label.replaceChildren(
        new Option('', ''),
        ...curves.classes.map((name, i) => new Option((i < 10 ? i + ' ' : '') + name + (i ? '' : ': dismiss'), name)),
      );
      label.options[0].hidden = true;
      show(null);
    },
    closed() {
      setLoop(false);
      show(null);
    },
    selected: show,
    moved(time) {
      const mark = looping && !video.paused && state.segment;
      if (mark && (time >= mark.end_s || time < mark.start_s - 0.05)) again();
    },
  });

  return {
    learn,
    looping: () => looping,
    forget() {
      if (document.activeElement === note) note.value = noteOf?.note ?? ''; // Esc leaves the note as it was
    },
    actions: {
      note: () => {
        if (state.segment) note.focus();
      },
      loop: () => setLoop(!looping && Boolean(state.segment)),
    },
  };
}
