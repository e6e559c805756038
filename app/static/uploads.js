// Gradio's own upload address; XMLHttpRequest because fetch tells nothing of an upload's progress. Answers with where
// the server put the file; `onStart` is given a function that stops it.
function uploadFile(file, { onShare = () => {}, onStart = () => {} } = {}) {
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    const form = new FormData();
    form.append('files', file, file.name);
    request.upload.addEventListener('progress', (event) => onShare(event.total ? event.loaded / event.total : 0));
    request.addEventListener('load', () => {
      if (request.status === 200) return done(JSON.parse(request.responseText)[0]);
      const tooLarge = 'The file is larger than this server accepts.';
      fail(new Error(request.status === 413 ? tooLarge : 'The upload failed (' + request.status + ').'));
    });
    request.addEventListener('error', () => fail(new Error('The upload failed: the server does not answer.')));
    request.addEventListener('abort', () => fail(new Error('The upload was cancelled.')));
    onStart(() => request.abort());
    request.open('POST', address('gradio_api/upload'));
    request.send(form);
  });
}

// Files on their way to the server, one after another; each fails alone, with its reason and another try.
function makeUploads({ limitMb }) {
  const list = find('.rv-queue');
  const waiting = [];
  let busy = false;

  const send = (item) =>
    uploadFile(item.file, {
      onShare(share) {
        item.share = share;
        draw(item, share < 1 ? 'Uploading ' + Math.round(100 * share) + ' %' : 'Reading…');
      },
      onStart(stop) {
        item.stop = () => {
          stop();
          item.row.remove();
        };
      },
    });

  async function bring(item) {
    const size = item.file.size;
    if (size > limitMb() * 1e6)
      throw new Error('It has ' + Math.round(size / 1e6) + ' MB; this server accepts ' + limitMb() + ' MB.');
    const stored = await send(item);
    item.stop = null;
    draw(item, 'Reading…');
    return ask('take_upload', { upload: stored, name: item.file.name });
  }

  async function work() {
    if (busy) return;
    busy = true;
    while (waiting.length) {
      const item = waiting.shift();
      item.state = 'busy';
      draw(item, 'Uploading…');
      try {
        const taken = await bring(item);
        item.row.remove();
        item.done(taken);
      } catch (error) {
        item.state = 'failed';
        // The server names the file in its own messages.
        const name = item.file.name;
        const said = error.message.startsWith(name) ? error.message.slice(name.length + 1).trim() : error.message;
        draw(item, said[0].toUpperCase() + said.slice(1));
        item.fail(error.message.includes(name) ? error : new Error(name + ': ' + error.message));
      }
      list.hidden = !list.children.length;
    }
    busy = false;
  }

  const leave = (item) => {
    item.row.remove();
    list.hidden = !list.children.length;
  };

  function draw(item, text) {
    item.onText(item.file.name + ': ' + text);
    const { row, state } = item;
    row.className = 'rv-item rv-upload rv-' + state;
    row.querySelector('.rv-what').textContent = text;
    row.querySelector('.rv-bit').style.width = 100 * (state === 'busy' ? item.share : 0) + '%';
    row.querySelector('.rv-retry').hidden = state !== 'failed';
    const away = row.querySelector('.rv-away');
    away.hidden = state === 'busy' && !item.stop;
    away.title = state === 'failed' ? 'Take off the list' : 'Cancel';
    away.setAttribute('aria-label', away.title + ': ' + item.file.name);
  }

  function begin(item) {
    Object.assign(item, { state: 'waiting', share: 0, stop: null });
    waiting.push(item);
    draw(item, 'Waiting');
    work();
  }

  function rowOf(item) {
    const row = make('li');
    const retry = make('button', 'rv-link rv-retry', 'Try again');
    const away = make('button', 'rv-away', '×');
    retry.type = away.type = 'button';
    retry.addEventListener('click', () => begin(item));
    away.addEventListener('click', () => {
      if (item.state === 'busy') return item.stop();
      const place = waiting.indexOf(item);
      if (place >= 0) waiting.splice(place, 1);
      leave(item);
      if (place >= 0) item.fail(new Error(item.file.name + ': The upload was cancelled.'));
    });
    const name = make('span', 'rv-name', item.file.name);
    name.title = item.file.name;
    const bar = make('span', 'rv-bar1');
    bar.append(make('i', 'rv-bit'));
    row.append(name, make('span', 'rv-what'), retry, bar, away);
    return row;
  }

  // Resolves with what the server made of the file: {clip}. A later try that succeeds is told to `onLate`.
  function add(file, { onText = () => {}, onLate = () => {} } = {}) {
    return new Promise((done, fail) => {
      let first = true;
      const item = {
        file,
        onText,
        done: (taken) => (first ? done : onLate)(taken),
        fail: (error) => {
          first = false;
          fail(error);
        },
      };
      item.row = rowOf(item);
      list.append(item.row);
      list.hidden = false;
      begin(item);
    });
  }
  return { add };
}
