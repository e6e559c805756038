// A threshold from a budget of alarms: "at most N an hour".
import { find, make, sayIn } from '../lib/dom.js';
import { wordsOf } from '../lib/faults.js';
import { request } from '../lib/server.js';
import { listen, setCut, state } from '../state.js';

export function bindBudgetForm(question) {
  const form = find('.rv-budget');
  const said = form.querySelector('.rv-hint');
  let set = null; // the threshold that was set by it, as long as it stays

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    form.elements.per_hour.blur(); // keys work again
    const visit = state.visit;
    try {
      const answer = await request('budget', { ...question(), per_hour: Number(form.elements.per_hour.value) });
      if (visit !== state.visit) return;
      set = answer.threshold;
      setCut({ threshold: set });
      sayIn(said, '');
      const [first, ...rest] = answer.said.split('\n');
      said.append(make('b', '', first), ...rest.map((line) => '\n' + line));
    } catch (error) {
      if (visit === state.visit) sayIn(said, wordsOf(error), true);
    }
  });
  const clear = () => {
    set = null;
    sayIn(said, '');
  };
  listen({
    closed: clear,
    cutting: () => set !== null && state.cut.threshold !== set && clear(), // moved by hand since
  });
}
