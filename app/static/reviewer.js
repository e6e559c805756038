// Who reviews: a name kept by this browser, or the user that logged in.
function makeReviewer({ onChange }) {
  const field = find('.rv-reviewer input');
  const KEY = 'cmhkf-reviewer';
  field.value = recall(KEY) || 'reviewer';
  let name = field.value;

  field.addEventListener('change', () => {
    name = field.value.replace(/\s+/g, ' ').trim() || 'reviewer';
    field.value = name;
    remember(KEY, name);
    onChange();
  });
  field.addEventListener('keydown', (event) => {
    if (event.key === 'Enter') field.blur();
  });

  return {
    name: () => name,
    async start() {
      const { reviewer } = await ask('who');
      if (!reviewer) return;
      name = field.value = reviewer;
      field.readOnly = true;
      field.title = 'You are logged in as ' + reviewer;
    },
  };
}
