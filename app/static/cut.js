// What cmhkf/segments.py does, here as well: while the threshold is dragged, its answer would come too late whenever the
// server is at work on another clip. Python has the last word as soon as the pointer rests.
function cutHere(curves, { threshold, min_length_s, merge_gap_s }) {
  const { probs, classes, snippet_s, duration_s } = curves;
  const scores = Float32Array.from(curves.scores); // as Python compares them
  const n = scores.length;
  const [ticks, rate] = curves.snippet_ratio;
  const timeOf = (i) => (i * ticks) / rate; // to the last bit: lengths and gaps are compared with round numbers

  function intervals(enter) {
    const leave = Math.fround(Math.max(enter - curves.exit_margin, enter / 2));
    const reach = Math.fround(enter);
    const merged = [];
    for (let i = 0; i < n; i++) {
      if (!(scores[i] >= leave)) continue;
      const begin = i;
      let top = scores[i];
      while (i + 1 < n && scores[i + 1] >= leave) top = Math.max(top, scores[++i]);
      if (top < reach) continue;
      const before = merged.at(-1);
      if (before && timeOf(begin) - timeOf(before[1]) < merge_gap_s) before[1] = i + 1;
      else merged.push([begin, i + 1]);
    }
    return merged.map(describe);
  }

  function describe([begin, end]) {
    let peak = begin;
    for (let i = begin; i < end; i++) if (scores[i] > scores[peak]) peak = i;
    let [label, most, all] = [1, -1, 0];
    for (let c = 1; c < classes.length; c++) {
      let sum = 0;
      for (let i = begin; i < end; i++) sum += probs[c][i];
      all += sum / (end - begin);
      if (sum / (end - begin) > most) [label, most] = [c, sum / (end - begin)];
    }
    return {
      start_s: timeOf(begin),
      end_s: end === n ? duration_s : timeOf(end),
      peak_s: Math.min(timeOf(peak) + snippet_s / 2, duration_s),
      score: curves.scores[peak],
      label: classes[label],
      label_prob: most / Math.max(all, 1e-9),
    };
  }

  const flagged = intervals(threshold).filter((s) => s.end_s - s.start_s >= min_length_s);
  const misses = intervals(Math.max(threshold - curves.near_miss_margin, 1e-6)).filter(
    (s) => !flagged.some((f) => s.start_s < f.end_s && f.start_s < s.end_s),
  );
  return {
    threshold,
    segments: flagged.map((s) => ({ ...s, near_miss: false })),
    near_misses: misses.map((s) => ({ ...s, near_miss: true })),
  };
}
