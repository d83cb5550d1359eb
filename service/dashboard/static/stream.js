// The service's events, in order and without a gap, from a cursor on and across every loss.

import { at } from "./api.js";

const KINDS = [
  "job.created",
  "job.started",
  "job.phase",
  "job.winner",
  "job.cancelling",
  "job.extended",
  "job.finished",
  "job.failed",
  "job.cancelled",
  "stage.ended",
  "trial.finished",
  "trial.rescored",
  "anchors.chosen",
  "evaluation.finished",
  "holdout.used",
  "export.finished",
  "export.failed",
];
const RETRY_MS = 3000;

// Calls `onEvent(kind, data)` for every event after `cursor`, of one job or of all; `onLost` when
// the stream breaks and `onResumed` when it is there again.
export function follow({ job, cursor, onEvent, onLost, onResumed }) {
  let last = cursor;
  let source = null;
  let retry = null;
  let lost = false;

  function open() {
    const query = new URLSearchParams({ since: last });
    if (job) query.set("job", job);
    source = new EventSource(at(`/v1/events?${query}`));
    source.addEventListener("open", () => {
      if (lost) onResumed();
      lost = false;
    });
    source.addEventListener("error", () => {
      if (!lost) onLost();
      lost = true;
      // The browser tries again by itself, unless it got an answer that is no stream.
      if (source.readyState === EventSource.CLOSED) retry = setTimeout(open, RETRY_MS);
    });
    for (const kind of KINDS) {
      source.addEventListener(kind, (message) => {
        last = message.lastEventId;
        onEvent(kind, JSON.parse(message.data));
      });
    }
  }

  function close() {
    clearTimeout(retry);
    source.close();
  }

  // A browser opens only six connections to one host: a tab that nobody sees gives its own back.
  document.addEventListener("visibilitychange", () => {
    close();
    if (!document.hidden) open();
  });
  open();
}
