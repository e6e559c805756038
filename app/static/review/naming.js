// A segment called by a class: by its name, or by its number in the list of classes.
import { find } from '../lib/dom.js';
import { digitActions } from '../lib/keys.js';

// `decide` is that of the decisions, `goOn` what it does after a segment is dismissed.
export function makeNaming({ decide, goOn, acknowledge }) {
  const classes = () => [...find('.rv-label').options].map((option) => option.value).filter(Boolean);

  function label(name) {
    if (name === classes()[0]) decide('dismiss', 'Normal, so dismissed:', undefined, goOn);
    else decide('relabel', 'Called ' + name + ':', () => ({ label: name }));
  }

  function byNumber(i) {
    const name = classes()[i];
    if (name) label(name);
    else acknowledge('There is no class ' + i + '; the last is ' + (classes().length - 1) + '.');
  }

  return { label, digits: digitActions(byNumber) };
}
