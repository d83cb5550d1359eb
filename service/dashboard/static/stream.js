// The service's events as a page follows them: one stream for all tabs of a browser.

import { openEvents } from "./event_source.js";

// Calls `onEvent(kind, data)` for every event after `cursor`, of one job or of all; `onLost` when
// the stream breaks, and `onResumed` when it is there again or when something may have been missed.
export function follow({ job, cursor, onEvent, onLost, onResumed }) {
  const take = ({ event, lost, resumed, polled }) => {
    if (event && (!job || event.data.job === job)) onEvent(event.kind, event.data);
    if (lost) onLost();
    if (resumed) onResumed(Boolean(polled));
  };
  if (typeof SharedWorker === "undefined") followAlone(Number(cursor), take);
  else followTogether(Number(cursor), take);
}

function followTogether(cursor, take) {
  const address = new URL("stream_worker.js", import.meta.url);
  let port = null;

  function join() {
    port = new SharedWorker(address, { type: "module", name: "events" }).port;
    port.addEventListener("message", ({ data }) => take(data));
    port.start();
    port.postMessage({ cursor });
  }

  // A page that is left says so; one that comes back from the browser's cache joins again.
  addEventListener("pagehide", () => port.postMessage({ leave: true }));
  addEventListener("pageshow", ({ persisted }) => {
    if (!persisted) return;
    join();
    take({ resumed: true });
  });
  join();
}

// A browser opens only six connections to one host: a tab that nobody sees gives its own back.
function followAlone(cursor, take) {
  let last = cursor;
  const open = () =>
    openEvents({
      cursor: last,
      onEvent(event) {
        last = event.id;
        take({ event });
      },
      onLost: () => take({ lost: true }),
      onResumed: () => take({ resumed: true }),
      onPoll: () => take({ resumed: true, polled: true }),
    });
  let close = open();
  document.addEventListener("visibilitychange", () => {
    close();
    if (!document.hidden) close = open();
  });
}
