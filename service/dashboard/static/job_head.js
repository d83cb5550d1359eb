// The top of a job's page: state, phases, progress, and the four figures.

import { byId, element, redrawOn, setText } from "./dom.js";
import { count, duration, elapsed, moment, percent, plural, points, roughly } from "./format.js";
import { fetchSentence, hasEnded, PHASES, phaseSentence } from "./words.js";

const PACE_TRIALS = 30;
const STOPPED = { failed: "Failed", cancelled: "Cancelled" };

export function drawHead(data) {
  const { job } = data;
  const badge = byId("state");
  badge.dataset.state = job.state;
  setText(badge, job.state);
  const spoken = hasEnded(job) ? `The job is ${job.state}.` : `${job.state}: ${phaseSentence(job.phase)}`;
  setText(byId("announcer"), spoken);
  setText(byId("times"), timesOf(job));
  redrawOn(byId("phases"), [job.phase, job.state], () => phaseItems(job));
  tick(data);
}

// What changes by the clock alone.
export function tick(data) {
  const { job } = data;
  const done = data.trials.size;
  const bar = byId("progress");
  drawProgress(bar, done, job.trials_total);
  setText(byId("progress-text"), progressSentence(data, done));
  const seconds = elapsed(job);
  setText(byId("tile-elapsed"), seconds === null ? "–" : duration(seconds));
  const share = job.trials_total && Math.floor((100 * done) / job.trials_total);
  const lead = hasEnded(job) || job.phase !== "search" || share === null ? "" : `${share}% · `;
  document.title = `${lead}${job.name} · Cuvee`;
}

export function drawTiles(data) {
  const { job, top } = data;
  const [rival] = data.parentFitness();
  const chosen = data.trials.get(data.chosen());
  setText(byId("best-term"), job.winner === null ? "Best fitness" : "Winner’s fitness");
  if (chosen) {
    setText(byId("tile-best"), percent(chosen.fitness));
    const fixed = job.winner === null ? "" : ", fixed on the select split";
    setText(byId("tile-best-note"), `trial ${chosen.number}${fixed}`);
  } else if (top === null && data.failed > 0) {
    setText(byId("tile-best-note"), "every trial so far failed");
  }
  if (rival) {
    setText(byId("tile-parent"), percent(rival.fitness));
    setText(byId("tile-parent-note"), rival.label);
  }
  if (rival && chosen) {
    const gain = chosen.fitness - rival.fitness;
    setText(byId("tile-gain"), points(gain));
    setText(byId("tile-gain-note"), "points, on the search split");
    byId("tile-gain").className = gain > 0 ? "good" : "";
  }
  const ended = job.finished_at ? `ended ${moment(job.finished_at)}` : "";
  setText(byId("tile-elapsed-note"), ended || plural(job.spec.stages.length, "stage"));
}

function timesOf(job) {
  if (job.started_at) return `Started ${moment(job.started_at)}`;
  return `Submitted ${moment(job.created_at)}`;
}

// A job that failed or was cancelled says where it was: nothing is marked done after that.
// Few jobs have models to fetch or statistics to compute: such a phase is shown while it lasts.
function phaseItems(job) {
  const phases = PHASES.filter(([name]) => !["fetch", "prepare"].includes(name) || name === job.phase);
  const at = phases.findIndex(([name]) => name === job.phase);
  const stopped = hasEnded(job) && job.state !== "finished";
  return phases.map(([name, label], index) => {
    const current = index === at;
    const place = current ? "now" : index < at && !stopped ? "past" : "ahead";
    const word = name === "ended" && stopped ? STOPPED[job.state] : label;
    const attributes = { "data-place": place, "data-state": current ? job.state : null };
    return element("li", { ...attributes, "aria-current": current ? "step" : null }, word);
  });
}

function progressSentence(data, done) {
  const { job } = data;
  const parts = [trialsDone(done, job.trials_total)];
  if (data.stopped) parts.push(`${count(data.stopped)} stopped early`);
  if (data.estimated) parts.push(`${count(data.estimated)} scored on anchors alone`);
  if (data.failed) parts.push(`${count(data.failed)} failed`);
  if (job.fetch && job.state !== "paused") parts.push(fetchSentence(job.fetch));
  else if (job.state === "queued") parts.push("waiting for a worker");
  else if (job.state === "cancelling") parts.push("stopping");
  else if (job.state === "pausing") parts.push("finishing what is being evaluated, then resting");
  else if (job.state === "paused") parts.push("resting until it is resumed");
  else if (!hasEnded(job)) parts.push(phaseNote(data));
  return parts.join(" · ");
}

// A budget without a limit on trials has no total to measure against.
function drawProgress(bar, done, total) {
  if (total === null) {
    bar.removeAttribute("value");
    return;
  }
  bar.max = total;
  bar.value = done;
}

function trialsDone(done, total) {
  return total === null ? plural(done, "trial") : `${count(done)} of ${plural(total, "trial")}`;
}

function phaseNote(data) {
  const { phase } = data.job;
  const parents = Object.keys(data.job.spec.models).length;
  if (phase === "parents") return `scoring the parents, ${data.parents.length} of ${parents}`;
  if (phase === "prepare") return "computing statistics of the parents";
  if (phase === "select") {
    const scored = data.select.length;
    return `re-scoring the ${data.job.spec.select.top_k} best on the select split, ${scored} so far`;
  }
  if (phase === "holdout") return `scoring on holdout, ${data.holdout.length} models so far`;
  const seconds = secondsLeft(data);
  return seconds === null ? "searching" : `${roughly(seconds)} of search left`;
}

// By the pace of the latest trials; null while there are too few of them to tell.
function secondsLeft({ job, trials }) {
  const latest = [...trials.values()].slice(-PACE_TRIALS).map((trial) => Date.parse(trial.finished_at));
  if (latest.length < 3 || job.trials_total === null) return null;
  const newest = Math.max(...latest);
  const each = (newest - Math.min(...latest)) / (latest.length - 1);
  const remaining = job.trials_total - trials.size;
  return Math.max(0, (remaining * each - (Date.now() - newest)) / 1000);
}
