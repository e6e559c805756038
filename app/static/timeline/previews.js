// The waveform and the filmstrip: requested when a clip is on screen, shown as they are ready.
import { passBy, wordsOf } from '../lib/faults.js';
import { percent } from '../lib/format.js';
import { poll, shareOf } from '../lib/jobs.js';
import { request, fetchFile } from '../lib/server.js';
import { listen, tell } from '../state.js';
import { makeFilmstrip } from './filmstrip.js';
import { LEVEL_FLOOR_DB } from './lanes.js';
import { outlineOf, readWaveform } from './waveform.js';

const isUnderWay = (part) => ['queued', 'running'].includes(part?.state);

export function makePreviews({ onReady }) {
  let clip = null;
  let wave = null;
  let film = null;
  let lost = false; // for want of a server
  let said = {}; // what the server said last of `sound` and `film`

  async function opened(facts) {
    if (clip === facts.clip && (wave || film)) return;
    forget();
    clip = facts.clip;
    await follow(clip);
  }

  // Until both are here, or cannot be made.
  async function follow(mine) {
    const wanted = () => clip === mine;
    try {
      await poll(() => request('previews', { clip: mine }), {
        wanted,
        async onStep(answer) {
          said = answer;
          if (answer.sound.state === 'done' && !wave) await takeWave(answer.sound.url, wanted);
          if (answer.film.state === 'done' && !film) await takeFilm(answer.film.url, wanted);
          if (wanted()) onReady();
        },
        over: ({ sound, film: frames }) => !isUnderWay(sound) && !isUnderWay(frames),
        every_ms: 700,
      });
    } catch (error) {
      if (!wanted()) return;
      lost = Boolean(error.away);
      const failed = { state: 'failed', error: wordsOf(error) };
      said = { sound: wave ? said.sound : failed, film: film ? said.film : failed };
      onReady();
    }
  }

  const get = (url) => fetchFile(url, 'a file is not there; reload the page');

  async function takeWave(url, wanted) {
    const bytes = await (await get(url)).arrayBuffer();
    if (wanted()) wave = readWaveform(bytes);
  }

  async function takeFilm(url, wanted) {
    const facts = await (await get(url + '/film.json')).json();
    if (!wanted()) return;
    film = makeFilmstrip(facts, url, onReady);
    tell('filmed', film.frameAt);
  }

  function forget() {
    if (clip) request('drop_previews', { clip }).catch(passBy);
    clip = wave = film = null;
    lost = false;
    said = {};
  }

  function progress(part, text) {
    if (!isUnderWay(part)) return '';
    const share = shareOf(part);
    return text + (share === null ? '' : ' ' + percent(share));
  }

  // What stands in a lane in words, empty when its drawing says it all.
  function words() {
    const { sound, film: frames } = said;
    return {
      film:
        progress(frames, 'making the filmstrip…') ||
        (frames?.state === 'failed' ? 'no filmstrip: ' + frames.error : ''),
      sound:
        progress(sound, 'making the waveform…') ||
        (sound?.state === 'none' ? 'no sound track' : '') ||
        (sound?.state === 'failed' ? 'the sound track cannot be shown: ' + sound.error : '') ||
        (wave && wave.peak < 10 ** (LEVEL_FLOOR_DB / 20) ? 'silent: nothing above ' + LEVEL_FLOOR_DB + ' dB' : ''),
    };
  }

  listen({
    opened,
    closed: forget,
    back() {
      film?.reload();
      if (!lost) return;
      lost = false;
      follow(clip);
    },
  });

  return {
    mute: () => said.sound?.state === 'none',
    outline: (view, width) => wave && outlineOf(wave, view, width),
    strip: (view, width, height) => film?.strip(view, width, height) ?? [],
    frameAt: (time, heightPx) => film?.frameAt(time, heightPx) ?? null,
    words,
  };
}
