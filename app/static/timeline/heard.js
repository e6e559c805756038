// The kinds of sound, a row each: pale in full, and again in full colour where the kind was heard.
const HEARD = 0.5;

export function paintHeard({ top, height }, { curves }, { pen, line, rules }, colour) {
  const rowPx = height / curves.sounds.length;
  const look = { style: colour, width: 0, filled: true };
  curves.sounds.forEach(({ values }, i) => {
    const row = { top: top + i * rowPx + 1, height: rowPx - 2 };
    rules(row, [0]);
    pen.globalAlpha = 0.35;
    line(values, row, (value) => value, look);
    pen.globalAlpha = 1;
    line(values, row, (value) => (value >= HEARD ? value : 0), look);
  });
}
