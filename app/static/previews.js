// The outline of the sound and the small pictures: asked for when a clip is on screen, shown as they are ready.
function makePreviews({ onReady }) {
  let clip = null;
  let sound = null; // {pair_s, step, peak, levels: [Int8Array of least, greatest]}
  let film = null; // {facts of film.json, url, sheets: Map of address to image}
  let said = { sound: null, film: null }; // what the server last said of each

  async function opened(facts) {
    const mine = facts.clip;
    if (clip === mine && (sound || film)) return;
    forget();
    clip = mine;
    try {
      while (clip === mine) {
        const answer = await ask('previews', { clip });
        if (clip !== mine) return;
        said = answer;
        if (answer.sound.state === 'done' && !sound) await takeSound(answer.sound.url, mine);
        if (answer.film.state === 'done' && !film) await takeFilm(answer.film.url, mine);
        if (clip !== mine) return;
        onReady();
        if (![answer.sound, answer.film].some((part) => ['queued', 'running'].includes(part.state))) return;
        await pause(700);
      }
    } catch (error) {
      if (clip !== mine) return;
      const failed = { state: 'failed', error: error.message };
      said = { sound: sound ? said.sound : failed, film: film ? said.film : failed };
      onReady();
    }
  }

  async function get(url) {
    const response = await fetch(address(url));
    if (!response.ok) throw new Error('a file is not there (' + response.status + '); reload the page');
    return response;
  }

  async function takeSound(url, mine) {
    const bytes = await (await get(url)).arrayBuffer();
    if (clip !== mine) return;
    const headed = new DataView(bytes).getUint32(0, true);
    sound = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, headed)));
    let begin = 4 + headed;
    sound.levels = sound.pairs.map((n) => {
      const level = new Int8Array(bytes, begin, 2 * n);
      begin += 2 * n;
      return level;
    });
  }

  async function takeFilm(url, mine) {
    const facts = await (await get(url + '/film.json')).json();
    if (clip !== mine) return;
    film = { ...facts, url, sheets: new Map() };
    tell('film');
  }

  function forget() {
    if (clip) ask('drop_previews', { clip }).catch(() => {});
    clip = sound = film = null;
    said = { sound: null, film: null };
  }

  // Least and greatest of every pixel, each -1 to 1; null while there is none.
  function outline(view, width) {
    if (!sound) return null;
    const perPx = (view[1] - view[0]) / width;
    let level = 0;
    while (level + 1 < sound.levels.length && sound.pair_s * sound.step ** (level + 1) <= perPx) level += 1;
    const pairs = sound.levels[level];
    const pair_s = sound.pair_s * sound.step ** level;
    const low = new Float32Array(width);
    const high = new Float32Array(width);
    for (let px = 0; px < width; px++) {
      const first = Math.floor((view[0] + px * perPx) / pair_s);
      const end = Math.max(first + 1, Math.floor((view[0] + (px + 1) * perPx) / pair_s));
      let [least, most] = [127, -127];
      for (let i = first; i < end && 2 * i < pairs.length; i++) {
        least = Math.min(least, pairs[2 * i]);
        most = Math.max(most, pairs[2 * i + 1]);
      }
      if (most >= least) [low[px], high[px]] = [least / 127, most / 127];
    }
    return { low, high };
  }

  // The address and place of picture k of a level.
  function locate(level, k) {
    const { columns, sheet_pictures, width_px, height_px } = film;
    const inSheet = k % sheet_pictures;
    return {
      url: film.url + '/' + level + '-' + Math.floor(k / sheet_pictures) + '.jpg',
      x: (inSheet % columns) * width_px,
      y: Math.floor(inSheet / columns) * height_px,
    };
  }

  function sheet(url) {
    let image = film.sheets.get(url);
    if (!image) {
      image = new Image();
      image.onload = onReady;
      image.src = address(url);
      film.sheets.set(url, image);
    }
    return image.complete && image.naturalWidth ? image : null;
  }

  const nearest = (level, time) => {
    const { stride, pictures } = film.levels[level];
    return clamp(Math.floor(time / film.snippet_s / stride), 0, pictures - 1);
  };

  // What to draw along the strip: pictures as wide as their shape wants, each at the middle of the time it stands for.
  function strip(view, width, height) {
    if (!film) return [];
    const each = Math.round((height * film.width_px) / film.height_px) + 1;
    const perPx = (view[1] - view[0]) / width;
    let level = film.levels.findLastIndex((l) => l.stride * film.snippet_s <= each * perPx);
    if (level < 0) level = 0;
    const unit_s = film.levels[level].stride * film.snippet_s;
    const slot_s = Math.max(1, Math.round((each * perPx) / unit_s)) * unit_s; // whole pictures: nothing shimmers
    const made = [];
    for (let i = Math.floor(view[0] / slot_s); i * slot_s < view[1]; i++) {
      const still = drawn(level, (i + 0.5) * slot_s);
      if (still) made.push({ ...still, left: (i * slot_s - view[0]) / perPx, room: slot_s / perPx, width: each - 1 });
    }
    return made;
  }

  // The picture at a time; one of a coarser level while its own sheet is under way.
  function drawn(level, time) {
    for (let l = level; l < film.levels.length; l++) {
      const place = locate(l, nearest(l, time));
      const image = sheet(place.url);
      if (image) return { image, source: { ...place, width: film.width_px, height: film.height_px } };
    }
    return null;
  }

  // The small picture nearest to a time, for any part of the page: {time_s, style}, or null while there is none.
  // `Object.assign(element.style, frameAt(12.5).style)` shows it; `tell('film')` is heard when there are some.
  function frameAt(time, heightPx = 54) {
    if (!film) return null;
    const k = nearest(0, time);
    const place = locate(0, k);
    const scale = heightPx / film.height_px;
    return {
      time_s: (k * film.levels[0].stride + 0.5) * film.snippet_s,
      style: {
        width: film.width_px * scale + 'px',
        height: heightPx + 'px',
        backgroundImage: 'url("' + address(place.url) + '")',
        backgroundSize: film.columns * film.width_px * scale + 'px auto',
        backgroundPosition: -place.x * scale + 'px ' + -place.y * scale + 'px',
      },
    };
  }

  const share = (part) => (part.total && part.done ? ' ' + Math.round(100 * clamp(part.done / part.total, 0, 1)) + ' %' : '');
  const under = (part, text) => (part && ['queued', 'running'].includes(part.state) ? text + share(part) : '');

  // What stands in a lane in words, empty when its picture says it all.
  function words() {
    const { sound: heard, film: seen } = said;
    return {
      film: under(seen, 'making the filmstrip…') || (seen?.state === 'failed' ? 'no filmstrip: ' + seen.error : ''),
      sound:
        under(heard, 'making the waveform…') ||
        (heard?.state === 'none' ? 'no sound track' : '') ||
        (heard?.state === 'failed' ? 'the sound track cannot be shown: ' + heard.error : '') ||
        (sound && sound.peak < 10 ** (LEVEL_FLOOR_DB / 20) ? 'silent: nothing above ' + LEVEL_FLOOR_DB + ' dB' : ''),
    };
  }

  const mute = () => said.sound?.state === 'none';

  return { opened, closed: forget, mute, outline, strip, frameAt, words, loudest: () => sound?.peak ?? 1 };
}
