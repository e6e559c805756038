// The form by which windows are drawn, and what so many of them can promise at best.
const WHAT =
  'Only what is flagged is reviewed. A blind look at random windows of the rest tells how much was missed: you see each ' +
  'window without score, curve or class, and say whether something is in it.';
const KEPT = 'Earlier answers are kept, and never mixed with new ones.';

export function makeLookForm(form, onDraw) {
  const { n, window_s } = form.elements;
  const [intro, hint] = form.querySelectorAll('p');

  // 1 - 0.05^(1/n): see docs/quality.md.
  function promise() {
    const most = 100 * (1 - 0.05 ** (1 / Number(n.value)));
    const shown = most < 10 ? most.toFixed(1) : Math.ceil(most);
    hint.textContent = form.checkValidity()
      ? 'If ' + n.value + ' hold nothing, at most ' + shown + ' % of what was not flagged holds something.'
      : '';
  }

  form.addEventListener('input', promise);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    onDraw({ n: Number(n.value), window_s: Number(window_s.value) });
  });

  // `has`: there are answers from before. It is not offered while a look is `going`.
  return (has, going) => {
    form.hidden = going;
    intro.textContent = has ? KEPT : WHAT;
    form.querySelector('button').textContent = has ? 'Draw anew' : 'Draw';
    promise();
  };
}
