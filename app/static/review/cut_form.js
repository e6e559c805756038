// The form that says how segments are cut. What is not as usual is marked, for it decides what the list holds.
import { find } from '../lib/dom.js';
import { listen, setCut, state, USUAL_CUT } from '../state.js';

export function bindCutForm() {
  const form = find('.rv-cut');
  const reset = form.querySelector('button');
  const inputs = Object.keys(USUAL_CUT).map((name) => form.elements[name]);
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

  reset.addEventListener('click', () => {
    form.elements.threshold.focus(); // the button goes
    setCut(USUAL_CUT);
  });
  form.addEventListener('submit', (event) => event.preventDefault());
  form.addEventListener('input', () => {
    if (form.checkValidity()) setCut(Object.fromEntries(inputs.map((input) => [input.name, Number(input.value)])));
  });
  listen({
    cutting: show,
    address(query) {
      for (const [name, usual] of Object.entries(USUAL_CUT))
        if (state.cut[name] !== usual) query.set(name, state.cut[name]);
    },
    restored(query) {
      for (const input of inputs) {
        input.value = query.get(input.name) ?? USUAL_CUT[input.name];
        state.cut[input.name] = Number(input.value);
      }
      show();
    },
  });
}
