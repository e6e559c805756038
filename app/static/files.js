// Which files a visitor brings: chosen, dropped, or found in a folder.
const VIDEO_NAME = /[.](mp4|m4v|mov|webm|mkv|avi|wmv|flv|mpe?g|m?2?ts|3gp|ogv|gif|y4m|vob|asf)$/i;
const isVideo = (file) => file.type.startsWith('video/') || VIDEO_NAME.test(file.name);

// Every file below a dropped entry. A folder tells its files in portions, the last one empty.
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

// A single file is always tried; of a folder only what looks like a video. `onFiles` also gets how many were left out.
function makeFiles({ onFiles }) {
  const root = find('.rv');
  const one = find('.rv-file');
  const folder = find('.rv-folder');

  function bring(files, fromFolder) {
    const videos = fromFolder ? files.filter(isVideo) : files;
    onFiles(videos, files.length - videos.length);
  }
  for (const [input, fromFolder] of [
    [one, false],
    [folder, true],
  ])
    input.addEventListener('change', () => {
      bring([...input.files], fromFolder);
      input.value = '';
    });
  for (const opener of [find('.rv-open'), find('.rv-drop')]) opener.addEventListener('click', () => one.click());
  find('.rv-openfolder').addEventListener('click', () => folder.click());

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
