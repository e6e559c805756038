// The outline of the audio track, as the server packs it: a length, a header in JSON, and for each level of detail pairs
// of least and greatest, -127 to 127. No DOM.
export function readWaveform(bytes) {
  const headed = new DataView(bytes).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, headed)));
  let begin = 4 + headed;
  const levels = header.pairs.map((n) => {
    const pairs = new Int8Array(bytes, begin, 2 * n);
    begin += 2 * n;
    return pairs;
  });
  return { ...header, levels };
}

// Least and greatest of every pixel, each -1 to 1.
export function outlineOf(wave, view, width) {
  const perPx = (view[1] - view[0]) / width;
  let detail = 0;
  while (detail + 1 < wave.levels.length && wave.pair_s * wave.step ** (detail + 1) <= perPx) detail += 1;
  const pairs = wave.levels[detail];
  const pair_s = wave.pair_s * wave.step ** detail;
  const [low, high] = [new Float32Array(width), new Float32Array(width)];
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
  return { low, high, loudest: wave.peak };
}
