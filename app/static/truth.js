// Ground truth of the clip: taken from an annotation file, shaded on the timeline, and measured against the score.
function makeTruth({ onSeek }) {
  const box = find('.rv-gt');
  const file = find('.rv-gt-file');
  const said = find('.rv-gt-said');
  const facts = find('.rv-gt-facts');
  const layer = make('div', 'rv-truths');
  const name = make('span', 'rv-truthname', 'ground truth');
  for (const part of [layer, name]) part.setAttribute('aria-hidden', 'true');
  find('.rv-strip').after(layer);
  find('.rv-gutter').after(name);
  let analysis = null;
  let segments = [];
  let laid = null;

  function lay() {
    name.hidden = !segments.length;
    if (!laid) return;
    const { toPx, lanes, width } = laid;
    layer.style.top = lanes.score.top + 'px';
    layer.style.height = lanes.score.height + GAP_PX + 'px';
    name.style.top = lanes.score.top + lanes.score.height + GAP_PX / 2 + 'px';
    layer.replaceChildren(
      ...segments.map((s) => {
        const [from, to] = [clamp(toPx(s.start_s), -4, width + 4), clamp(toPx(s.end_s), -4, width + 4)];
        const made = make('span');
        made.style.left = from + 'px';
        made.style.width = Math.max(2, to - from) + 'px';
        made.hidden = to <= 0 || from >= width;
        return made;
      }),
    );
  }

  function number(label, value, hint) {
    const made = make('div');
    made.append(make('dt', '', label), make('dd', '', value.toFixed(3)), make('dd', 'rv-hint', hint));
    return made;
  }

  function show(answer) {
    segments = answer.segments;
    box.dataset.kept = answer.source ? 'yes' : 'no';
    said.textContent = '';
    said.classList.remove('rv-wrong');
    for (const gone of [facts, find('.rv-gt-remove')]) handOver(gone, find('.rv-gt-choose'));
    facts.replaceChildren();
    if (answer.source) {
      const many = segments.length === 1 ? '1 anomalous interval' : segments.length + ' anomalous intervals';
      said.textContent = (segments.length ? many : 'Normal') + ', from ' + answer.source;
      if (answer.ap == null) facts.append(make('p', 'rv-words', answer.why_not));
      else {
        const list = make('dl', 'rv-numbers');
        list.append(
          number('AP', answer.ap, 'prevalence ' + answer.prevalence.toFixed(3) + ': the AP of a score without skill'),
          number('AUC', answer.auc, '0.5: a score without skill'),
        );
        facts.append(list);
      }
      const jumps = make('div', 'rv-jumps');
      for (const s of segments) {
        const words = s.label + ' ' + clock(s.start_s, 1) + ' – ' + clock(s.end_s, 1);
        jumps.append(pressed(words, 'rv-btn rv-small', () => onSeek(s.start_s)));
      }
      facts.append(jumps);
    }
    lay();
    tell('truth', segments);
  }

  // Questions of one clip whose answers come when another is open are dropped.
  async function answer(work) {
    const asked = analysis;
    try {
      const found = await work(asked);
      if (analysis === asked) show(found);
    } catch (error) {
      if (analysis !== asked) return;
      said.textContent = error.message;
      said.classList.add('rv-wrong');
    }
  }

  const take = (blob) =>
    answer(async (analysis_id) => {
      said.textContent = 'Reading ' + blob.name + '…';
      const upload = await uploadFile(blob);
      return ask('take_truth', { analysis_id, upload, name: blob.name });
    });

  find('.rv-gt-choose').addEventListener('click', () => file.click());
  file.addEventListener('change', () => {
    if (file.files[0]) take(file.files[0]);
    file.value = '';
  });
  find('.rv-gt-remove').addEventListener('click', () => answer((analysis_id) => ask('drop_truth', { analysis_id })));
  // Dropped here it is an annotation file; anywhere else on the page it is a video.
  for (const type of ['dragover', 'drop'])
    box.addEventListener(type, (event) => {
      event.preventDefault();
      event.stopPropagation();
      box.classList.toggle('rv-over', type === 'dragover');
      root.classList.remove('rv-dragging');
      if (type === 'drop' && event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
    });
  box.addEventListener('dragleave', () => box.classList.remove('rv-over'));

  return {
    opened(opened) {
      analysis = opened.analysis_id;
      answer((analysis_id) => ask('truth', { analysis_id }));
    },
    closed() {
      analysis = null;
      show({ source: null, segments: [] });
    },
    viewed(now) {
      laid = now;
      lay();
    },
  };
}

parts.push(makeTruth({ onSeek: transport.seek }));
