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

// Returns a function that draws in an animation frame, at most four times a second, and never for
// more than a fifth of the time, however long one drawing takes.
export function paced(draw) {
  let waiting = false;
  let notBefore = 0;

  function frame() {
    waiting = false;
    const started = performance.now();
    draw();
    const ended = performance.now();
    notBefore = ended + Math.max(250, 4 * (ended - started));
  }

  return () => {
    if (waiting) return;
    waiting = true;
    const wait = Math.max(0, notBefore - performance.now());
    setTimeout(() => requestAnimationFrame(frame), wait);
  };
}
