// Tables of keys: rows of what the help calls them, what they do, and the name of the action that each is bound to. One
// table binds the keys and writes the help.
import { make } from './dom.js';

/** The digits, of which each calls by the number of a class. */
export const DIGITS = Object.fromEntries(Array.from({ length: 10 }, (_, i) => [String(i), 'label' + i]));
export const digitActions = (byNumber) =>
  Object.fromEntries(Object.entries(DIGITS).map(([digit, action]) => [action, () => byNumber(Number(digit))]));

/** A key as the tables name it, after the modifiers that are held: "Control Shift z". */
export function nameOf(event, shift = event.shiftKey) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  // AltGr writes brackets on many keyboards, and looks like Ctrl and Alt.
  const control = (event.ctrlKey || event.metaKey) && !event.getModifierState('AltGraph') ? 'Control ' : '';
  return control + (shift ? 'Shift ' : '') + key;
}

/** The action of each key of a table. */
export const boundBy = (table) => Object.assign({}, ...table.map((row) => row[2]));

export function writeHelp(list, table) {
  for (const [keys, text] of table) {
    const row = make('div');
    row.append(make('dt', '', keys), make('dd', '', text));
    list.append(row);
  }
}
