// Which files a visitor brings: chosen, dropped, or found in a folder.
// Every file below a dropped entry. A folder tells its files in portions, the last one empty.
import { find } from '../lib/dom.js';
import { state } from '../state.js';

async function filesBelow(entry) {
  if (entry.isFile) return [await new Promise((done, fail) => entry.file(done, fail))];
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const portion = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!portion.length) return found;
    for (const inner of portion) found.push(...(await filesBelow(inner)));
  }
}

const isVideo = ({ type, name }) =>
  type.startsWith('video/') ||
  (state.status.video_suffixes ?? []).some((suffix) => name.toLowerCase().endsWith(suffix));

// A single file is always tried; of a folder only what looks like a video. `onFiles` also gets how many were left out.
export function watchFiles(onFiles) {
  const root = find('.rv');

  function bring(files, fromFolder) {
    const videos = fromFolder ? files.filter(isVideo) : files;
    onFiles(videos, files.length - videos.length);
  }
  function choose(field, fromFolder) {
    bring([...field.files], fromFolder);
    field.value = '';
  }
  for (const opener of [find('.rv-open'), find('.rv-drop')])
    opener.addEventListener('click', () => find('.rv-file').click());
  find('.rv-file').addEventListener('change', (event) => choose(event.target, false));
  find('.rv-openfolder').addEventListener('click', () => find('.rv-folder').click());
  find('.rv-folder').addEventListener('change', (event) => choose(event.target, true));

  const brings = (event) => event.dataTransfer?.types.includes('Files');
  root.addEventListener('dragover', (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    root.classList.add('rv-dragging');
  });
  root.addEventListener('dragleave', (event) => {
    if (!root.contains(event.relatedTarget)) root.classList.remove('rv-dragging');
  });
  root.addEventListener('drop', async (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    root.classList.remove('rv-dragging');
    // The list of what was dropped is empty as soon as this function waits.
    const files = [...event.dataTransfer.files];
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    if (!entries.some((entry) => entry.isDirectory)) return bring(files, false);
    bring((await Promise.all(entries.map(filesBelow))).flat(), true);
  });
}
