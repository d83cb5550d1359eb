// One line of the job list.

import { at } from "./api.js";
import { element, redrawOn, setText } from "./dom.js";
import { count, duration, elapsed, moment, percent, points, roughly } from "./format.js";
import { sparkLine } from "./spark.js";
import { fetchSentence, phaseSentence } from "./words.js";

const COLUMNS = ["State", "Trials", "Best so far", "Best fitness", "Best parent", "Started"];

export function newRow(job, onSelect) {
  const name = element("a", { href: at(`/jobs/${job.id}`) }, job.name);
  const heading = element("th", { scope: "row" }, name, " ", element("span", { class: "id" }, job.id.slice(0, 8)));
  const box = element("input", { type: "checkbox", "aria-label": `Compare ${job.name}, ${job.id.slice(0, 8)}` });
  box.addEventListener("change", () => onSelect(job.id, box.checked));
  const owner = element("td", { class: "owner", "data-label": "Owner" }, job.owner);
  const cells = COLUMNS.map((label) => element("td", { "data-label": label }));
  return element("tr", { "data-job": job.id }, element("td", { class: "pick" }, box), heading, owner, ...cells);
}

// `glance` is null until it is there.
export function fillRow(row, job, glance) {
  const [, , state, trials, course, best, parent, started] = row.querySelectorAll("td");
  const rival = glance?.parent_fitness ?? null;
  redrawOn(state, [job.state, job.phase, job.fetch], () => stateOf(job));
  redrawOn(trials, [job.trials_finished, job.trials_failed, job.trials_total, glance?.seconds_left], () =>
    trialsOf(job, glance?.seconds_left ?? null),
  );
  redrawOn(course, glance?.course, () => (glance?.course.length ? [sparkLine(glance.course, rival)] : ["–"]));
  redrawOn(best, [job.best, rival], () => bestOf(job, rival));
  redrawOn(parent, [rival, glance?.parent], () => (rival === null ? ["–"] : [number(percent(rival)), note(glance.parent)]));
  redrawOn(started, job.started_at, () =>
    job.started_at ? [time(job.started_at), element("span", { class: "quiet elapsed" })] : ["–"],
  );
  tickRow(row, job);
}

// What changes by the clock alone.
export function tickRow(row, job) {
  const seconds = elapsed(job);
  const target = row.querySelector(".elapsed");
  if (target && seconds !== null) setText(target, `${job.finished_at ? "took" : "for"} ${duration(seconds)}`);
}

function stateOf(job) {
  const badge = element("span", { class: "badge", "data-state": job.state }, job.state);
  if (job.fetch) return [badge, note(fetchSentence(job.fetch))];
  return job.state === "running" ? [badge, note(phaseSentence(job.phase))] : [badge];
}

function trialsOf(job, seconds) {
  const done = job.trials_finished + job.trials_failed;
  const label = `Trials of ${job.name}`;
  return [
    number(job.trials_total === null ? count(done) : `${count(done)} of ${count(job.trials_total)}`),
    element("progress", { max: job.trials_total, value: job.trials_total && done, "aria-label": label }),
    ...(seconds === null ? [] : [note(`${roughly(seconds)} left`)]),
  ];
}

function bestOf(job, rival) {
  if (!job.best) return ["–"];
  const best = element("span", { class: "number strong" }, percent(job.best.fitness));
  if (rival === null) return [best];
  const gain = job.best.fitness - rival;
  return [best, note(`${points(gain)} points`, gain > 0 ? "good" : "")];
}

const number = (text) => element("span", { class: "number" }, text);
const note = (text, kind = "") => element("span", { class: `quiet ${kind}` }, text);
const time = (iso) => element("time", { datetime: iso }, moment(iso));
