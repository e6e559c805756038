// The library beside the page, as a drawer on small screens, and the examples of the first page.
function makeLibrary({ onOpen, onExample, onAnalyse, onCancel, onRemoved }) {
  const menu = find('.rv-menu');
  const root = find('.rv');
  let entries = [];
  let opened = {};

  const removal = makeRemoval({ onRemoved });
  const shelf = makeShelf({
    onOpen: (which) => {
      toggle(false);
      onOpen(which);
    },
    onAnalyse,
    onCancel,
    onRemove: removal.open,
  });
  const sift = makeSift({ onChange: draw });

  const isOpen = (entry) =>
    entry.analysis_id ? entry.analysis_id === opened.analysis : entry.clip === opened.clip;

  function draw() {
    const kept = sifted(entries, sift.wish());
    shelf.show(kept, isOpen);
    const count = kept.length === entries.length ? String(entries.length) : kept.length + ' of ' + entries.length;
    const tally = find('.rv-tally');
    if (tally.textContent !== count) tally.textContent = entries.length ? count : '';
    find('.rv-none').hidden = entries.length > 0;
    find('.rv-nomatch').hidden = !entries.length || kept.length > 0;
  }

  function show(list, open) {
    entries = list;
    opened = open;
    sift.offer(entries.map((entry) => entry.label));
    sift.show(entries.length > 0);
    draw();
    tell('listed', entries);
  }

  function showKept(days) {
    const text = days ? 'Clips are deleted after ' + (days === 1 ? '1 day.' : days + ' days.') : '';
    for (const line of element.querySelectorAll('.rv-keep')) {
      line.textContent = text;
      line.hidden = !text;
    }
  }

  function showExamples(examples) {
    find('.rv-examples').hidden = examples.length === 0;
    find('.rv-examples ul').replaceChildren(
      ...examples.map((example) => {
        const button = make('button', 'rv-example');
        button.type = 'button';
        const picture = make('video');
        picture.muted = true;
        picture.preload = 'metadata';
        picture.tabIndex = -1;
        picture.setAttribute('aria-hidden', 'true');
        picture.src = address(example.url) + '#t=2';
        button.append(picture, make('span', '', example.name.replace(/[.][^.]*$/, '').replace(/[-_]+/g, ' ')));
        button.addEventListener('click', () => onExample(example.name));
        const item = make('li');
        item.append(button);
        return item;
      }),
    );
  }

  function toggle(open = !root.classList.contains('rv-drawer')) {
    if (!open && root.classList.contains('rv-drawer')) handOver(find('.rv-library'), menu);
    root.classList.toggle('rv-drawer', open);
    menu.setAttribute('aria-expanded', String(open));
  }

  menu.addEventListener('click', () => toggle());
  find('.rv-main').addEventListener('click', () => toggle(false));
  find('.rv-nomatch button').addEventListener('click', () => {
    sift.clear();
    find('.rv-sift input').focus();
  });
  return { show, showKept, showExamples, open: () => toggle(true), close: () => toggle(false) };
}
