// The curves of an analysis, as the server packs them: a length, a header in JSON, and whole numbers of two or four bytes,
// row after row, in units of the last digit. No DOM.
export function readCurves(bytes) {
  const headed = new DataView(bytes).getUint32(0, true);
  const { rows, unit, n, ...curves } = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, headed)));
  let begin = 4 + headed;
  for (const [name, count, size] of rows) {
    const read = () => {
      const part = bytes.slice(begin, (begin += n * size));
      return Float64Array.from(size === 2 ? new Int16Array(part) : new Int32Array(part), (value) => value / unit);
    };
    curves[name] = count === null ? read() : Array.from({ length: count }, read);
  }
  return curves;
}
