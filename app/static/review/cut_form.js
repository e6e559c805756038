// The form that says how segments are cut, in all clips. What is not as usual is marked, for it decides what lists hold.
import { find } from '../lib/dom.js';
import { focusAfter } from '../lib/focus.js';
import * as notice from '../lib/notice.js';
import { listen, setCut, state, USUAL_CUT } from '../state.js';

export function bindCutForm() {
  const form = find('.rv-cut');
  const reset = form.querySelector('button');
  const inputs = Object.keys(USUAL_CUT).map((name) => form.elements[name]);
  let begun = false;
  const unusual = (input) => Number(input.value) !== USUAL_CUT[input.name];

  function show() {
    for (const input of inputs) {
      const value = state.cut[input.name];
      if (input.value === '' || Number(input.value) !== value)
        input.value = input.name === 'threshold' ? value.toFixed(2) : value;
      input.parentElement.classList.toggle('rv-unusual', unusual(input));
    }
    reset.hidden = !inputs.some(unusual);
  }

  reset.addEventListener('click', (press) => {
    focusAfter(press, form.elements.threshold);
    setCut(USUAL_CUT);
  });
  form.addEventListener('submit', (event) => event.preventDefault());
  form.addEventListener('keydown', ({ key, target }) => key === 'Enter' && inputs.includes(target) && target.blur());
  form.addEventListener('input', () => {
    if (form.checkValidity()) setCut(Object.fromEntries(inputs.map((input) => [input.name, Number(input.value)])));
  });
  // What cannot be is said once it is typed, and the cut that holds is shown again.
  form.addEventListener('change', ({ target }) => {
    if (target.checkValidity()) return;
    const name = target.parentElement.textContent.trim();
    notice.show('page', name + ' cannot be ' + target.value + ': ' + target.validationMessage, { bad: true });
    show();
  });
  listen({
    cutting: show,
    address(query) {
      for (const [name, usual] of Object.entries(USUAL_CUT))
        if (state.cut[name] !== usual) query.set(name, state.cut[name]);
    },
    // The address with which the page begins says how its sender cuts. Later the library's cut stays: Back changes no list.
    restored(query) {
      for (const input of begun ? [] : inputs) {
        input.value = query.get(input.name) ?? state.cut[input.name];
        state.cut[input.name] = Number(input.value);
      }
      begun = true;
      show();
    },
  });
}
