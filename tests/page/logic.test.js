// The page's modules without DOM: against tables that Python writes (tests/test_page_logic.py), and by hand.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { mapKinds, mapRuns, pointWords } from '../../app/static/explain/map_marks.js';
import { clock, level, moment, plural } from '../../app/static/lib/format.js';
import { boundBy, DIGITS, digitActions, nameOf } from '../../app/static/lib/keys.js';
import { unseenFacts, unseenReasons } from '../../app/static/lib/unseen.js';
import { listedClips, NO_WISH, stateOf } from '../../app/static/library/sort.js';
import { decades, flaggedWithin, histogram, sideBySide } from '../../app/static/quality/rows.js';
import { runsOf } from '../../app/static/review/class_runs.js';
import { cutHere, reviewHere, markName } from '../../app/static/review/cut.js';
import { fitsFilter, inside, sortedSegments, strongestOf } from '../../app/static/review/segment_order.js';
import { listen, reset, select, setCut, state, tell, USUAL_CUT } from '../../app/static/state.js';
import { heatAlpha, layLanes, saliencyTop, similarityScale, timeTicks } from '../../app/static/timeline/lanes.js';
import { readCurves } from '../../app/static/timeline/curves.js';

const tables = JSON.parse(readFileSync(process.env.CMHKF_TABLES, 'utf8'));
const near = (a, b, tolerance, what) => {
  if (a === null || b === null) assert.equal(a, b, what);
  else assert.ok(Math.abs(a - b) <= tolerance, what + ': ' + a + ' is not ' + b);
};

function alike(mine, theirs, names, tolerance) {
  assert.deepEqual(
    mine.map((s) => s.label),
    theirs.map((s) => s.label),
  );
  for (const [i, there] of theirs.entries())
    for (const name of names) near(mine[i][name] ?? null, there[name], tolerance, name);
}

test('curves are read from their file as Python writes them, to the last bit', () => {
  const plain = (value) => (value instanceof Float64Array ? [...value] : value);
  for (const { curves, file } of tables.cut) {
    const bytes = Uint8Array.from(Buffer.from(file, 'base64')).buffer;
    const read = Object.entries(readCurves(bytes)).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.map(plain) : plain(value),
    ]);
    assert.deepEqual(Object.fromEntries(read), curves);
  }
  assert.ok(
    tables.cut.every(({ curves }) => curves.level_db[0] < -3.2768),
    'which takes more than two bytes',
  );
});

test('segments are cut as Python cuts them', () => {
  const values = ['start_s', 'end_s', 'peak_s', 'score', 'label_prob'];
  for (const { curves, cut, segments, near_misses } of tables.cut) {
    const here = cutHere(curves, cut);
    alike(here.segments, segments, values, 2e-4);
    alike(here.near_misses, near_misses, values, 2e-4);
    assert.deepEqual(here.segments.map((s) => s.second), segments.map((s) => s.second)); // prettier-ignore
  }
  const seconds = tables.cut.flatMap(({ segments }) => segments.map((s) => s.second));
  assert.ok(seconds.includes('') && seconds.some(Boolean), 'some names are clear and some are not');
});

test("a segment's classes over time are those that Python finds", () => {
  const found = tables.cut.flatMap(({ curves, segments }) => segments.map((segment) => ({ curves, segment })));
  for (const { curves, segment } of found) {
    const runs = runsOf(curves, { ...segment, model_label: segment.label });
    alike(runs, segment.class_runs, ['start_s', 'end_s'], 1e-6);
    assert.deepEqual(runsOf(curves, { ...segment, model_label: 'called otherwise' }), []);
    assert.deepEqual(runsOf(curves, { ...segment, model_label: segment.label, named: true }), []);
  }
  assert.ok(found.filter(({ segment }) => segment.class_runs.length > 1).length > 10, 'some change');
  assert.deepEqual(runsOf(null, found[0].segment), []);
});

test('an unclear name is told with the next one until a person has decided', () => {
  const { curves } = tables.cut.find(({ segments }) => segments.some((s) => s.second));
  const unsure = { ...curves, least_share: 1.1 };
  const mark = { start_s: 0, end_s: 1, revision: 0, label: 'a', model_label: 'a' };
  assert.match(markName(unsure, mark), /^unclear: a or \w+/);
  assert.equal(markName({ ...curves, least_share: 0 }, mark), 'a');
  assert.equal(markName(unsure, { ...mark, revision: 1 }), 'a');
  assert.equal(markName(unsure, { ...mark, label: 'b' }), 'b');
  assert.equal(markName(null, mark), 'a');
});

test('lanes are scaled by normal footage, and else by the clip, which a quiet one cannot make dark', () => {
  const quiet = { similarity: [[0.1, 0.12], [0.2, 0.21]], scores: [0.05, 0.9], normal_similarity: null }; // prettier-ignore
  assert.deepEqual(similarityScale(quiet), [[0.1, 0.21], [0.1, 0.21]]); // prettier-ignore
  assert.equal(heatAlpha(quiet, 0), 1);
  const known = { ...quiet, normal_similarity: [[0.1, 0.3], [0.15, 0.4]] }; // prettier-ignore
  assert.deepEqual(similarityScale(known), known.normal_similarity);
  assert.deepEqual([heatAlpha(known, 0) < 0.4, heatAlpha(known, 1)], [true, 1]);
  const salient = { saliency: [1, 2], windowed: [1, 2], normal_saliency: null };
  assert.deepEqual([saliencyTop(salient), saliencyTop({ ...salient, normal_saliency: 4 })], [2.16, 6]);
});

test('decided marks leave of the segments what Python leaves', () => {
  const values = ['start_s', 'end_s', 'peak_s', 'model_score', 'model_start_s', 'model_end_s'];
  for (const { curves, cut, own, rest, misses } of tables.merge) {
    const here = reviewHere({ marks: own }, curves, cut);
    const fresh = here.marks.filter((m) => !m.revision);
    for (const [mine, theirs] of [
      [fresh, rest],
      [here.misses, misses],
    ]) {
      const byStart = [...theirs].sort((a, b) => a.start_s - b.start_s);
      const sorted = [...mine].sort((a, b) => a.start_s - b.start_s);
      assert.deepEqual(sorted.map((m) => [m.id, m.state]), byStart.map((m) => [m.id, m.state])); // prettier-ignore
      alike(sorted, byStart, values, 2e-3);
    }
    assert.equal(here.marks.length, fresh.length + own.length);
  }
});

test('times are written as the report writes them', () => {
  for (const [seconds, digits, words] of tables.clock) assert.equal(clock(seconds, digits), words);
  const day = moment('2026-11-29');
  assert.match(day, /^(29 \w+|\w+ 29)$/);
  assert.deepEqual([moment('2026-11-29T03:14'), moment('2026-11-29T03:14:07')], [day + ', 03:14', day + ', 03:14:07']);
  assert.equal(level(0.4), '0.40');
  assert.equal(level(0.035), '0.035');
  assert.equal(plural(1, 'clip') + ', ' + plural(2, 'clip'), '1 clip, 2 clips');
});

test('seconds that were not seen are counted as Python counts them', () => {
  for (const { unseen_s, lost_s } of tables.unseen) {
    const { total_s, seen_s } = unseenFacts({ unseen_s, duration_s: 100 });
    near(total_s - seen_s, lost_s, 1e-2, 'seconds lost');
  }
  assert.equal(unseenFacts({ unseen_s: null, duration_s: 1 }).known, false);
  assert.equal(unseenReasons([[1, 2, 'a: b'], [3, 4.55, 'a: b']]), 'a, b (1.0–2.0, 3.0–4.5 s)'); // prettier-ignore
});

test('the table is filtered and sorted', () => {
  const list = [
    { id: 'a', start_s: 5, end_s: 6, label: 'riot', state: 'open', score: 0.9, class_runs: [{ label: 'riot' }, { label: 'abuse' }] },
    { id: 'b', start_s: 1, end_s: 2, label: 'fighting', state: 'dismissed', score: null, class_runs: [] },
    { id: 'c', start_s: 3, end_s: 4, label: 'fighting', state: 'open', score: 0.7, class_runs: [] },
  ]; // prettier-ignore
  const ids = (order, turned = false) => sortedSegments(list, order, turned).map((s) => s.id).join(''); // prettier-ignore
  assert.deepEqual(
    [ids('time'), ids('time', true), ids('class'), ids('state'), ids('peak')],
    ['bca', 'acb', 'bca', 'cab', 'acb'],
  );
  const fitting = (label, wanted) => list.filter((s) => fitsFilter(s, { label, state: wanted })).length;
  assert.deepEqual([fitting('', ''), fitting('fighting', ''), fitting('fighting', 'open')], [3, 2, 1]);
  assert.equal(fitting('abuse', ''), 1, 'a class that it has for a while');
  assert.deepEqual([4.9, 5, 5.99, 6].map((time) => inside(list[0], time)), [false, true, true, false]); // prettier-ignore
});

test('the strongest segment is one that was not dismissed', () => {
  const segment = (score, decided, peak_s = 1) => ({ score, state: decided, peak_s, start_s: 0, end_s: 2 });
  const list = [
    segment(0.9, 'dismissed'),
    segment(0.6, 'open'),
    segment(0.8, 'confirmed'),
    segment(null, 'open', null),
  ];
  assert.equal(strongestOf(list).score, 0.8);
  assert.equal(strongestOf([list[0], list[3]]), undefined);
});

test('the library is filtered and sorted', () => {
  const entry = {
    added: '2026-01-01',
    duration_s: 9,
    peak: 0.6,
    label: 'riot',
    segments: 2,
    analysis_id: 'x',
    clip: 'c',
  };
  const list = [
    { ...entry, name: 'gate 10', review: { left: 0 } },
    { ...entry, name: 'gate 9', added: '2026-02-01', peak: 0.9, review: { left: 1 } },
    { ...entry, name: 'yard', analysis_id: null, peak: null, work: { state: 'queued' } },
    { ...entry, name: 'hall', segments: 0 },
  ];
  assert.deepEqual(list.map(stateOf), ['reviewed', 'todo', 'waiting', 'quiet']);
  const names = (wish) => listedClips(list, { ...NO_WISH, ...wish }).map((e) => e.name); // prettier-ignore
  assert.deepEqual(names({ q: 'GATE', sort: 'name' }), ['gate 9', 'gate 10']);
  assert.deepEqual(names({ state: 'analysing' }), ['yard']);
  assert.deepEqual(names({ min: '0.7' }), ['gate 9']);
  assert.equal(names({ sort: 'newest' })[0], 'gate 9');
});

test('marks of the map say what their points are', () => {
  const points = {
    clip: [0, 0, 0, 1], time_s: [1, 2, 3, 1], class: [0, 1, 1, 0], score: [0, 0.5, 1, 0], classes: ['normal', 'riot'],
    clips: [{ snippet_s: 1, name: 'a', trained: true }, { snippet_s: 1, name: 'b', trained: false }],
  }; // prettier-ignore
  const page = { truth: [{ start_s: 1.5, end_s: 2.5 }], marks: [{ start_s: 0, end_s: 1.5, state: 'confirmed' }], mine: [true, true, true, false] }; // prettier-ignore
  assert.deepEqual(mapKinds(points, 'truth', page).kinds, [0, 1, 0, -1]);
  assert.deepEqual(mapKinds(points, 'decision', page).kinds, ['confirmed', 'outside', 'outside', 'outside']);
  assert.deepEqual(mapKinds(points, 'class', page).key.map(([, words]) => words), ['normal', 'riot']); // prettier-ignore
  assert.deepEqual(mapRuns(points, [3, 1, 0]).map((run) => [run.clip, run.from, run.to]), [[0, 0.5, 2.5], [1, 0.5, 1.5]]); // prettier-ignore
  assert.equal(pointWords(points, 3, false), 'b · 00:01.0 · normal · untrained score 0.00');
});

test('lanes lie below each other, and ticks are round', () => {
  const page = { folded: new Set(['film']), mute: false, others: 1, windowPx: 1000 };
  const curves = { classes: ['a', 'b'], sounds: [1, 2, 3] };
  const { lanes, height } = layLanes(curves, page);
  const ends = Object.values(lanes).map((lane) => [lane.top, lane.top + lane.height]);
  for (let i = 1; i < ends.length; i++) assert.ok(ends[i][0] > ends[i - 1][1]);
  assert.ok(height > ends.at(-1)[1]);
  assert.equal(lanes.film.folded, true);
  assert.equal(layLanes({ classes: ['a'], sounds: [] }, page).lanes.heard, undefined);
  const low = { ...page, windowPx: 800 };
  assert.deepEqual(
    [lanes, layLanes(curves, low).lanes].map((laid) => laid.heard.folded),
    [false, true],
  );
  assert.equal(layLanes(curves, { ...low, folded: new Set(['heard']) }).lanes.heard.folded, false); // opened by hand
  assert.deepEqual(timeTicks([0, 10], 500).map((tick) => tick.text), ['00:00', '00:02', '00:04', '00:06', '00:08', '00:10']); // prettier-ignore
});

test('one table names keys and binds them, with digits and whatever is held', () => {
  const pressed = (key, held = {}) => nameOf({ key, getModifierState: () => Boolean(held.altGraph), ...held });
  assert.deepEqual(
    [pressed('C'), pressed('Z', { shiftKey: true, metaKey: true }), pressed('[', { ctrlKey: true, altGraph: true })],
    ['c', 'Control Shift z', '['],
  );
  const bound = boundBy([['C', 'Confirm', { c: 'confirm' }], ['0 – 9', 'Class', DIGITS]]); // prettier-ignore
  const called = [];
  digitActions((n) => called.push(n))[bound['7']]();
  assert.deepEqual([bound.c, called], ['confirm', [7]]);
});

test('the bus knows its events, and one listener takes no other with it', () => {
  const caught = [];
  reset((error) => caught.push(error.message));
  assert.throws(() => tell('no such event'), /there is no event no such event/);
  assert.throws(() => listen({ 'also none'() {} }), /there is no event also none/);
  const heard = [];
  listen({ selected: () => { throw new Error('broken'); } }); // prettier-ignore
  listen({
    selected: (now, before) => heard.push([now?.id, before?.id]),
    cutting: () => heard.push(state.cut.threshold),
  });
  const segment = { id: 'a' };
  select(segment);
  select(segment);
  select(null);
  setCut({ threshold: 0.3 });
  assert.deepEqual(heard, [['a', undefined], [undefined, 'a'], 0.3]); // prettier-ignore
  assert.deepEqual(caught, ['broken', 'broken']);
  reset(() => {});
  assert.deepEqual(state.cut, USUAL_CUT);
});

test('the figures of several data sets stand side by side, and what one lacks is empty', () => {
  const one = [['a', 'auc', '90 %', ''], ['b', 'alarms', '2', 'of 3 h']]; // prettier-ignore
  const other = [['a', 'auc', '80 %', 'x'], ['a', 'ap', '7 %', '']]; // prettier-ignore
  assert.deepEqual(sideBySide([one, other]), [
    { what: 'auc', cells: [{ value: '90 %', note: '' }, { value: '80 %', note: 'x' }] },
    { what: 'ap', cells: [null, { value: '7 %', note: '' }] },
    { what: 'alarms', cells: [{ value: '2', note: 'of 3 h' }, null] },
  ]); // prettier-ignore
});

test('the plots of a quality panel by hand', () => {
  assert.deepEqual(histogram([0, 0.1, 0.5, 0.99, 1], 4), [2, 0, 1, 2]);
  assert.deepEqual(decades(0.01, 7), [0.01, 0.1, 1, 10]);
  assert.deepEqual(decades(0.01, 10), [0.01, 0.1, 1, 10]);
  assert.deepEqual(decades(0.1, 0.1), [0.1, 1]);
  // Of four events one is flagged at once, one after 2 s and one after 20 s, which lies beyond the axis.
  assert.deepEqual(flaggedWithin([0, 2, 20], 4, 10), [[0, 0], [0, 0], [0, 0.25], [2, 0.25], [2, 0.5], [10, 0.5]]); // prettier-ignore
});
