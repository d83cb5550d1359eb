// Every kind of event that the service sends.

export const KINDS = [
  "job.created",
  "job.started",
  "job.phase",
  "job.winner",
  "job.pausing",
  "job.paused",
  "job.resumed",
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
