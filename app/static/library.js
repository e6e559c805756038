// Opening things: the library list, the drop zone, the examples, and uploads with their progress.
function makeLibrary({ onOpen, onExample, onFile }) {
  const list = find('.rv-library ul');
  const file = find('.rv-file');
  const menu = find('.rv-menu');
  const root = find('.rv');

  function when(iso) {
    const date = new Date(iso);
    const today = date.toDateString() === new Date().toDateString();
    return today
      ? date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
      : date.toLocaleDateString([], { day: 'numeric', month: 'short' });
  }

  function state(entry) {
    if (entry.job) return 'analysing';
    if (!entry.analysis_id) return 'not analysed';
    return (entry.trained ? 'peak ' : 'untrained ') + entry.peak.toFixed(2);
  }

  let shown = '';
  function show(entries, open) {
    const now = JSON.stringify([entries, open.clip, open.analysis]);
    if (now === shown) return; // the list keeps its focus and scroll place
    shown = now;
    list.replaceChildren(
      ...entries.map((entry) => {
        const button = make('button', 'rv-entry');
        button.type = 'button';
        const facts = make('span', 'rv-entryfacts');
        facts.append(
          make('span', '', clock(entry.duration_s, 0)),
          make('span', '', state(entry)),
          make('time', '', when(entry.added)),
        );
        button.append(make('span', 'rv-name', entry.name), facts);
        button.title = entry.name + (entry.model_id ? ' · ' + entry.model_id : '');
        if (entry.analysis_id ? entry.analysis_id === open.analysis : entry.clip === open.clip)
          button.setAttribute('aria-current', 'true');
        button.addEventListener('click', () => {
          toggle(false);
          onOpen(entry.analysis_id ? { analysis_id: entry.analysis_id } : { clip: entry.clip });
        });
        const item = make('li');
        item.append(button);
        return item;
      }),
    );
    find('.rv-none').hidden = entries.length > 0;
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
    root.classList.toggle('rv-drawer', open);
    menu.setAttribute('aria-expanded', String(open));
  }

  // Gradio's own upload address; XMLHttpRequest because fetch tells nothing of an upload's progress.
  function upload(blob, onProgress) {
    return new Promise((done, fail) => {
      const request = new XMLHttpRequest();
      const form = new FormData();
      form.append('files', blob, blob.name);
      request.upload.addEventListener('progress', (event) => onProgress(event.loaded, event.total));
      request.addEventListener('load', () => {
        if (request.status === 200) return done(JSON.parse(request.responseText)[0]);
        fail(
          new Error(
            request.status === 413
              ? 'The file is larger than this server accepts.'
              : 'The upload failed (' + request.status + ').',
          ),
        );
      });
      request.addEventListener('error', () => fail(new Error('The upload failed: the server does not answer.')));
      request.open('POST', address('gradio_api/upload'));
      request.send(form);
    });
  }

  menu.addEventListener('click', () => toggle());
  for (const opener of [find('.rv-open'), find('.rv-drop')]) opener.addEventListener('click', () => file.click());
  file.addEventListener('change', () => {
    if (file.files[0]) onFile(file.files[0]);
    file.value = '';
  });
  root.addEventListener('dragover', (event) => {
    event.preventDefault();
    root.classList.add('rv-dragging');
  });
  root.addEventListener('dragleave', (event) => {
    if (!root.contains(event.relatedTarget)) root.classList.remove('rv-dragging');
  });
  root.addEventListener('drop', (event) => {
    event.preventDefault();
    root.classList.remove('rv-dragging');
    if (event.dataTransfer.files[0]) onFile(event.dataTransfer.files[0]);
  });
  return { show, showExamples, upload, close: () => toggle(false) };
}
