// The service's events, in order and without a gap, from a cursor on and across every loss.

import { at } from "./api.js";
import { KINDS } from "./event_kinds.js";

const RETRY_MS = 3000;
const POLL_MS = 5000;

// Calls `onEvent({kind, id, data})` for every event after `cursor`, `onLost` when the stream breaks,
// `onResumed` when it is there again, and `onPoll` every few seconds where the service answers but
// its stream does not come through. Returns a function that closes it.
export function openEvents({ cursor, onEvent, onLost, onResumed, onPoll }) {
  let last = cursor;
  let source = null;
  let lost = false;
  let poll = null;

  function open() {
    source = new EventSource(at(`/v1/events?${new URLSearchParams({ since: last })}`));
    source.addEventListener("open", () => {
      clearInterval(poll);
      poll = null;
      if (lost) onResumed();
      lost = false;
    });
    source.addEventListener("error", () => {
      if (!lost) onLost();
      lost = true;
      poll ??= setInterval(ask, POLL_MS);
      // The browser tries again by itself, unless it got an answer that is no stream.
      if (source.readyState === EventSource.CLOSED) setTimeout(open, RETRY_MS);
    });
    for (const kind of KINDS) {
      source.addEventListener(kind, (message) => {
        last = message.lastEventId;
        onEvent({ kind, id: Number(last), data: JSON.parse(message.data) });
      });
    }
  }

  async function ask() {
    const answer = await fetch(at("/v1/health"), { cache: "no-store" }).catch(() => null);
    if (answer?.ok && lost) onPoll();
  }

  open();
  return () => {
    clearInterval(poll);
    source.close();
  };
}
