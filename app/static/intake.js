// Taking clips in, what the rows of the library do, and what happens when a lost server is back.

// Bring a clip in and begin to analyse it; show it unless the user went elsewhere meanwhile.
async function take(work) {
  const { visit } = open;
  try {
    const { clip } = await work();
    const { analysis_id } = await ask('analyse', { clip });
    if (open.visit !== visit) await refresh();
    else await openClip(analysis_id ? { analysis_id } : { clip });
  } catch (error) {
    if (open.visit === visit) showHome(error.message);
    else say(error.message);
  }
}
function takeExample(name) {
  return take(() => ask('take_example', { name }));
}

// What was dropped or chosen: a single video opens, several are taken in while the user does something else.
const listed = ({ clip }) => ask('analyse', { clip }).then(refresh);
function takeFiles(files, leftOut) {
  const others = leftOut ? leftOut + (leftOut === 1 ? ' file is' : ' files are') + ' no video and left out.' : '';
  if (!files.length) return others && showHome('There is no video in this folder. ' + others);
  if (files.length === 1) {
    showHome();
    const told = (text) => {
      find('.rv-said').textContent = text;
    };
    return take(() => uploads.add(files[0], { onText: told, onLate: listed }));
  }
  library.open();
  const text = files.length + ' videos come in one after another; the library lists them. ' + others;
  find('.rv-said').textContent = text;
  say(text);
  for (const file of files) uploads.add(file, { onLate: listed }).then(listed).catch((error) => say(error.message));
}

// What the rows of the library do.
async function analyseListed({ clip }) {
  try {
    await ask('analyse', { clip });
    await refresh();
    if (clip === open.clip) await openClip({ clip }, transport.now());
  } catch (error) {
    say(error.message);
  }
}
function cancelListed({ work }) {
  return ask('cancel', { job: work.job }).then(refresh).catch((error) => say(error.message));
}
async function leaveRemoved(clip, name) {
  if (clip === open.clip) showHome();
  await refresh();
  say(name + ' was removed');
  (find('.rv-shelf .rv-entry') ?? find('.rv-drop')).focus({ preventScroll: true });
}

// The server is there again: what was broken off is asked for anew.
async function comeBack() {
  if (root.dataset.view === 'loading') return start();
  await refresh();
  const broken = root.dataset.work !== 'none' || find('.rv-novideo').textContent;
  if (!open.clip) showHome();
  else if (broken) await openClip(open.analysis ? { analysis_id: open.analysis } : { clip: open.clip }, transport.now());
  else cutSoon();
}
