// Work that is done one after the other. What fails drops those behind it, for they may have been meant for what it would
// have led to; `onFail` is told how many. What hangs on nothing before it is added `anyway`, and never dropped.
export function makeTurns(onFail) {
  let waiting = [];
  let running = null;

  async function run() {
    while (waiting.length)
      try {
        await waiting.shift().work();
      } catch (error) {
        const n = waiting.length;
        waiting = waiting.filter((each) => each.anyway);
        onFail(error, n - waiting.length);
      }
    running = null;
  }

  function push(work, anyway) {
    waiting.push({ work, anyway });
    running ??= Promise.resolve().then(run);
  }

  return {
    add: (work) => push(work, false),
    addAnyway: (work) => push(work, true),
    // When nothing waits any more.
    async settled() {
      while (running) await running;
    },
  };
}
