// What a blind look says of the rest, and the windows in which something was seen.
import { button, item, make } from '../lib/dom.js';
import { clockSpan } from '../lib/format.js';
import { state } from '../state.js';

const GONE = 'Windows of clips that were removed cannot be looked at any more.';

// `onAdd` is given the place of a window that is to be a segment, `onGo` a window.
export function makeLookFound(box, { onAdd, onGo }) {
  function rowOf(window, ofAll) {
    const clip = ofAll && state.status.library.find((entry) => entry.clip === window.clip);
    const where = (clip ? clip.name + ', ' : '') + clockSpan(window.start_s, window.end_s);
    const row = item(
      button(where, 'rv-link', () => onGo(window)),
      make('span', '', window.label),
    );
    const add = () => onAdd(window.place);
    if (window.added) row.append(make('span', '', 'a segment'));
    else row.append(button('Add as a segment', 'rv-btn rv-small', add, 'Add as a segment: ' + where));
    return row;
  }

  // While it is `going`, only figures: where the windows lie is told at the end.
  return ({ said, windows }, going, ofAll) => {
    const [summary, words, list] = box.children;
    box.open = !going;
    summary.textContent = going ? 'So far' : 'What it says of the rest';
    const gone = !going && windows.some((each) => !each.answer);
    words.replaceChildren(...[...said, ...(gone ? [GONE] : [])].map((text) => make('p', '', text)));
    const seen = going ? [] : windows.filter((each) => each.answer === 'something');
    list.replaceChildren(...seen.map((each) => rowOf(each, ofAll)));
  };
}
