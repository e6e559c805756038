// What is decided waits until the clip is read: while its curve grows, a key or a button says so and does nothing else.
import * as notice from '../lib/notice.js';
import { state } from '../state.js';

const WAITS = 'This clip is still being read. It can be decided on when the whole curve is final.';

export const whenFinal = (actions) =>
  Object.fromEntries(
    Object.entries(actions).map(([name, act]) => [
      name,
      () => (state.curves?.growing ? notice.show('decision', WAITS) : act()),
    ]),
  );

// Of segments that were found: which may still change. One that ends close to what is not final may go on there.
export function withProvisional(marks) {
  const { growing, final_s } = state.curves ?? {};
  return marks.map((mark) => ({
    ...mark,
    provisional: Boolean(growing) && mark.end_s >= final_s - state.cut.merge_gap_s,
  }));
}
