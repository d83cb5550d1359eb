// Work that may be asked for a thousand times a second, done a few times a second.

// Returns a function that runs `task` soon: one run at a time, `gapMs` between two, and always one
// more after the last call.
export function coalesced(task, gapMs) {
  let asked = false;
  let busy = false;

  async function run() {
    busy = true;
    while (asked) {
      asked = false;
      await task();
      await new Promise((resume) => setTimeout(resume, gapMs));
    }
    busy = false;
  }

  return () => {
    asked = true;
    if (!busy) run();
  };
}

const GAP_MS = 250;
const SLICE_MS = 16;

// Returns a function that draws `parts`, functions, one after the other: begun in an animation
// frame, at most four times a second, and never for more than a fifth of the time, however long one
// drawing takes. Whatever else the page has to do, such as answering a key, comes between two parts
// once they have taken a frame's time.
export function paced(parts) {
  let asked = false;
  let busy = false;

  async function run() {
    busy = true;
    try {
      while (asked) {
        await new Promise(requestAnimationFrame);
        asked = false;
        const taken = await inSlices(parts);
        await new Promise((resume) => setTimeout(resume, Math.max(GAP_MS, 4 * taken)));
      }
    } finally {
      busy = false;
    }
  }

  return () => {
    asked = true;
    if (!busy) run();
  };
}

// How many milliseconds the parts took, without what came between them.
async function inSlices(parts) {
  let taken = 0;
  let begun = performance.now();
  for (const part of parts) {
    part();
    const spent = performance.now() - begun;
    if (spent < SLICE_MS) continue;
    taken += spent;
    await new Promise((resume) => setTimeout(resume));
    begun = performance.now();
  }
  return taken + performance.now() - begun;
}

// Returns a function: the answer of the first call that succeeds, for all of them.
export function once(load) {
  let loading = null;
  return () => {
    loading ??= load().catch((error) => {
      loading = null;
      throw error;
    });
    return loading;
  };
}
