// What a job's states and phases are called, and which of them may still change.

import { gigabytes } from "./format.js";

export const PHASES = [
  ["fetch", "Models", "waiting for its models"],
  ["queued", "Queued", "waiting for a worker"],
  ["parents", "Parents", "scoring the parents"],
  ["prepare", "Prepare", "computing statistics of the parents"],
  ["search", "Search", "searching"],
  ["select", "Select", "re-scoring the finalists"],
  ["holdout", "Holdout", "scoring the winner and its rivals on holdout"],
  ["ended", "Done", "done"],
];

export const hasEnded = (job) => ["finished", "failed", "cancelled"].includes(job.state);

const STEPS = {
  fetching: "fetching its models",
  converting: "converting its models",
  reading: "reading its models",
  waiting: "waiting for room for its models",
};

export function fetchSentence(fetch) {
  const told = STEPS[fetch.step];
  return fetch.size ? `${told}, ${Math.floor((100 * fetch.done) / fetch.size)}% of ${gigabytes(fetch.size)}` : told;
}

export function phaseSentence(phase) {
  const known = PHASES.find(([name]) => name === phase);
  return known ? known[2] : phase;
}
