// Files on their way to the server, one after another; each fails alone, with its reason and another try.
import { button, find, make } from '../lib/dom.js';
import { Told, wordsOf } from '../lib/faults.js';
import { percent } from '../lib/format.js';
import { request, uploadFile } from '../lib/server.js';
import { state } from '../state.js';

// Rows of one kind under one line, from the second on; all are dismissed at once.
function makeFold(stage, words, open = false) {
  const line = make('li', 'rv-item rv-upload rv-folded');
  const box = make('details');
  const rows = make('ul');
  box.append(make('summary'), rows);
  box.open = open;
  line.append(
    box,
    button('Dismiss all', 'rv-link', () => {
      rows.replaceChildren();
      const list = line.parentElement;
      line.remove();
      list.hidden = !list.children.length;
    }),
  );
  return {
    tidy(list) {
      const all = [...list.querySelectorAll('[data-stage]')].filter((row) => row.dataset.stage === stage);
      for (const row of [...rows.children]) if (row.dataset.stage !== stage) list.append(row);
      if (all.length < 2) {
        line.replaceWith(...rows.children);
        return;
      }
      for (const row of all) if (row.parentElement !== rows) rows.append(row);
      box.firstChild.textContent = words(all.length);
      if (!line.isConnected) list.append(line);
    },
  };
}

export function makeUploads() {
  const list = find('.rv-queue');
  const waiting = [];
  let busy = false;
  const limitMb = () => state.status.max_upload_mb ?? Infinity;

  const send = (item) =>
    uploadFile(item.file, {
      onShare(share) {
        item.share = share;
        draw(item, share < 1 ? 'Uploading ' + percent(share) : 'Reading…');
      },
      onStart(stop) {
        item.stop = () => {
          stop();
          leave(item);
        };
      },
    });

  async function bring(item) {
    const size = item.file.size;
    item.hopeless = !size || size > limitMb() * 1e6;
    if (!size) throw new Told('It is empty, with no byte in it; copy or record it again.');
    if (item.hopeless)
      throw new Told('It has ' + Math.round(size / 1e6) + ' MB; this server accepts ' + limitMb() + ' MB.');
    const stored = await send(item);
    item.stop = null;
    draw(item, 'Reading…');
    return request('take_upload', { upload: stored, name: item.file.name });
  }

  async function work() {
    if (busy) return;
    busy = true;
    while (waiting.length) {
      const item = waiting.shift();
      item.stage = 'busy';
      draw(item, 'Uploading…');
      try {
        const taken = await bring(item);
        const { known_as } = taken;
        if (known_as) {
          item.stage = 'known';
          draw(item, 'In the library already' + (known_as === item.file.name ? '' : ', as ' + known_as));
        } else item.row.remove();
        item.done(taken);
      } catch (error) {
        item.stage = 'failed';
        // The server names the file in its own messages.
        const name = item.file.name;
        const words = wordsOf(error);
        item.hopeless ||= words.startsWith(name); // about the file itself: the same bytes would fail again
        const said = words.startsWith(name) ? words.slice(name.length + 1).trim() : words;
        draw(item, said[0].toUpperCase() + said.slice(1));
        item.fail(words.includes(name) ? error : new Told(name + ': ' + words, error.away));
      }
      tidy();
    }
    busy = false;
  }

  // What failed shows why, file by file.
  const folds = [makeFold('failed', (n) => n + ' uploads failed', true), makeFold('known', (n) => n + ' duplicates')];
  function tidy() {
    for (const fold of folds) fold.tidy(list);
    list.hidden = !list.children.length;
  }

  const leave = (item) => {
    item.row.remove();
    tidy();
  };

  function draw(item, text) {
    item.onText(item.file.name + ': ' + text);
    const { row, stage } = item;
    row.dataset.stage = stage;
    row.className = 'rv-item rv-upload rv-' + stage;
    row.querySelector('.rv-what').textContent = text;
    row.querySelector('.rv-bit').style.width = 100 * (stage === 'busy' ? item.share : 0) + '%';
    row.querySelector('.rv-retry').hidden = stage !== 'failed' || item.hopeless;
    const away = row.querySelector('.rv-away');
    away.hidden = stage === 'busy' && !item.stop;
    away.title = ['failed', 'known'].includes(stage) ? 'Take off the list' : 'Cancel';
    away.setAttribute('aria-label', away.title + ': ' + item.file.name);
  }

  function begin(item) {
    Object.assign(item, { stage: 'waiting', share: 0, stop: null });
    waiting.push(item);
    draw(item, 'Waiting');
    tidy();
    work();
  }

  function rowOf(item) {
    const row = make('li');
    const retry = button('Try again', 'rv-link rv-retry', () => begin(item));
    const away = button('×', 'rv-away', () => {
      if (item.stage === 'busy') return item.stop();
      const place = waiting.indexOf(item);
      if (place >= 0) waiting.splice(place, 1);
      leave(item);
      if (place >= 0) item.fail(new Told(item.file.name + ': The upload was cancelled.'));
    });
    const name = make('span', 'rv-name', item.file.name);
    name.title = item.file.name;
    const bar = make('span', 'rv-bar1');
    bar.append(make('i', 'rv-bit'));
    row.append(make('span', 'rv-thumb'), name, make('span', 'rv-what'), retry, bar, away);
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
