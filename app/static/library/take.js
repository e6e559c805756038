// Taking clips in, and what the rows of the library do.
import { find, say } from '../lib/dom.js';
import { wordsOf } from '../lib/faults.js';
import * as notice from '../lib/notice.js';
import { request } from '../lib/server.js';
import { showTab } from '../lib/tabs.js';
import { listen, state, tell } from '../state.js';
import { refresh } from './status.js';
import { makeUploads } from './uploads.js';

export function makeTake({ clipView, openLibrary }) {
  const uploads = makeUploads();
  listen({ opened: () => notice.clear('offer') });

  // Bring a clip in and begin to analyse it; show it unless the user went elsewhere meanwhile.
  async function take(work) {
    const { visit } = state;
    try {
      const { clip, known_as } = await work();
      const { analysis_id } = await request('analyse', { clip });
      if (state.visit !== visit) return await refresh();
      await clipView.open(analysis_id ? { analysis_id } : { clip });
      if (known_as && state.clip === clip)
        notice.show('page', 'This video is in the library already, as ' + known_as + '.');
    } catch (error) {
      if (state.visit === visit) clipView.home(wordsOf(error));
      else notice.fail('upload', error);
    }
  }

  const analyseTaken = ({ clip }) => request('analyse', { clip }).then(refresh);
  const isNotes = (file) => /[.](txt|csv)$/i.test(file.name);

  // What was dropped or chosen. On the first page a single video opens; several, and any that come while a clip
  // or the events are on screen, are taken in while the user goes on.
  async function files(list, leftOut) {
    const notes = list.filter(isNotes);
    const videos = list.filter((file) => !isNotes(file));
    if (notes.length) takeNotes(notes[0]);
    const others = leftOut ? leftOut + (leftOut === 1 ? ' file is' : ' files are') + ' no video and left out.' : '';
    if (!videos.length) return others && notice.show('upload', 'There is no video in this folder. ' + others);
    if (videos.length > 1 || state.clip || state.view) return joinQueue(videos, others);
    await clipView.home();
    const told = (text) => notice.show('home', text);
    return take(() => uploads.add(videos[0], { onText: told, onLate: analyseTaken }));
  }

  function joinQueue(videos, others) {
    if (!state.clip && !state.view) openLibrary();
    const [first] = videos;
    const text = videos.length === 1 ? first.name + ' comes in; the library lists it. '
      : videos.length + ' videos come in one after another; the library lists them. '; // prettier-ignore
    notice.show('upload', text + others);
    for (const file of videos)
      uploads
        .add(file, { onLate: analyseTaken })
        .then(async (taken) => {
          await analyseTaken(taken);
          const act = ['Open it', () => clipView.open(taken)];
          const where = taken.known_as ? ' already, as ' + taken.known_as + '. ' : '. ';
          if (notice.isAbout('upload') || notice.isAbout('offer'))
            notice.show('offer', file.name + ' is in the library' + where, { act });
        })
        .catch((error) => notice.fail('upload', error));
  }

  // An annotation file belongs to the clip on screen, wherever on the page it was dropped.
  function takeNotes(file) {
    if (!state.analysis) {
      const when = state.clip ? 'drop it again when this clip is analysed.' : 'open the clip that it describes first.';
      return notice.show('upload', file.name + ' is no video. If it holds annotations, ' + when);
    }
    showTab('classes');
    notice.show('upload', file.name + ' is read as annotations of this clip; see Ground truth.');
    tell('annotated', file);
  }

  return {
    files,
    example: (name) => take(() => request('take_example', { name })),
    async analyse({ clip }) {
      try {
        await request('analyse', { clip });
        await refresh();
        if (clip === state.clip) await clipView.reopen(false);
      } catch (error) {
        notice.fail('page', error);
      }
    },
    cancel: ({ work }) => request('cancel', { job: work.job }).then(refresh).catch((error) => notice.fail('page', error)), // prettier-ignore
    async removed(clip, name) {
      if (clip === state.clip) await clipView.home();
      await refresh();
      say(name + ' was removed');
      (find('.rv-shelf .rv-entry') ?? find('.rv-drop')).focus({ preventScroll: true });
    },
  };
}
