// What a job's states and phases are called, and which of them may still change.

export const PHASES = [
  ["queued", "Queued", "waiting for a worker"],
  ["parents", "Parents", "scoring the parents"],
  ["prepare", "Prepare", "computing statistics of the parents"],
  ["search", "Search", "searching"],
  ["select", "Select", "re-scoring the finalists"],
  ["holdout", "Holdout", "scoring the winner and its rivals on holdout"],
  ["ended", "Done", "done"],
];

export const hasEnded = (job) => ["finished", "failed", "cancelled"].includes(job.state);

export function phaseSentence(phase) {
  const known = PHASES.find(([name]) => name === phase);
  return known ? known[2] : phase;
}
