// One stream of events for all tabs of a browser.

import { openEvents } from "./event_source.js";

const KEPT = 2000;
const tabs = new Set();
// The latest events, for a tab whose page left the service before the newest of them.
const kept = [];
let begun = null;
let close = null;
let lost = false;

function tellAll(message) {
  for (const tab of tabs) tab.postMessage(message);
}

function open(cursor) {
  begun = cursor;
  kept.length = 0;
  close = openEvents({
    cursor,
    onEvent(event) {
      kept.push(event);
      if (kept.length > KEPT) begun = kept.shift().id;
      tellAll({ event });
    },
    onLost() {
      lost = true;
      tellAll({ lost });
    },
    onResumed() {
      lost = false;
      tellAll({ resumed: true });
    },
    onPoll: () => tellAll({ resumed: true, polled: true }),
  });
}

addEventListener("connect", ({ ports: [tab] }) => {
  tab.addEventListener("message", ({ data: { cursor, leave } }) => {
    if (leave) {
      tabs.delete(tab);
      if (tabs.size === 0 && close) {
        close();
        close = null;
      }
      return;
    }
    tabs.add(tab);
    if (close === null) open(cursor);
    else if (cursor < begun) tab.postMessage({ resumed: true });
    for (const event of kept) if (event.id > cursor) tab.postMessage({ event });
    if (lost) tab.postMessage({ lost });
  });
  tab.start();
});
