// Work that is done one after the other. The first that fails drops those behind it.
export function makeTurns(onFail) {
  let last = Promise.resolve();
  let era = 0;
  return {
    add(work) {
      const mine = era;
      last = last
        .then(() => mine === era && work())
        .catch((error) => {
          era += 1;
          onFail(error);
        });
    },
    addAnyway: (work) => {
      last = last.then(work);
    },
    drop: () => {
      era += 1;
    },
  };
}
