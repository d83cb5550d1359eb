// The holdout result: the winner beside every parent, the averages and the best uniform weights.

import { byId, element, redrawOn, setText, show } from "./dom.js";
import { bestOf, fitnessOf } from "./fitness.js";
import { count, percent, points } from "./format.js";
import { intervalTable } from "./intervals.js";

export function drawResult(data) {
  const { holdout, select, job, tasks, result } = data;
  show(byId("result"), holdout.length > 0 || select.length > 0);
  if (holdout.length === 0 && select.length === 0) return;
  const grid = holdout.filter(({ kind }) => kind === "grid");
  const subjects = subjectsOf(holdout, grid, tasks, result, job);
  redrawOn(byId("holdout"), [result, holdout.length, job.winner], () => tablesOf(subjects, tasks, "holdout"));
  setText(byId("verdict"), verdict(subjects, tasks, job));
  setText(byId("holdout-note"), [testNote(result), gridNote(grid)].filter(Boolean).join(" "));
  setText(byId("optimism"), optimism(result));
  setText(byId("looks"), result?.warnings.map((text) => `${text}.`).join(" ") ?? "");
  show(byId("looks"), Boolean(result?.warnings.length));
  show(byId("finalists"), select.length > 0);
  redrawOn(byId("select"), [select, job.winner], () => finalistTables(select, job, tasks));
}

// One table a task: the name is only worth a heading where there are several.
export function tablesOf(subjects, tasks, split) {
  return tasks.flatMap(({ task }) => {
    const rows = subjects.map((subject) => ({
      ...subject,
      score: subject.evaluation.scores.find((score) => score.task === task) ?? null,
      reason: subject.evaluation.reason,
      p: subject.against?.[task]?.p,
    }));
    const table = element("div", { class: "scroll" }, intervalTable(`${task}, ${split} split`, rows));
    return tasks.length > 1 ? [element("h3", {}, task), table] : [table];
  });
}

function subjectsOf(holdout, grid, tasks, result, job) {
  const contenders = new Map(result?.holdout.map((one) => [`${one.kind}/${one.label}`, one]));
  const subject = (evaluation, more) => {
    const contender = contenders.get(`${evaluation.kind}/${evaluation.label}`);
    const label = contender?.name ?? evaluation.label;
    return { evaluation, label, against: contender?.against_winner, ...more };
  };
  const all = (kind, more) =>
    holdout.filter((evaluation) => evaluation.kind === kind).map((evaluation) => subject(evaluation, more));
  const children = all("trial").map((child) => {
    const highlight = Number(child.evaluation.label) === job.winner;
    return { ...child, highlight, label: highlight ? "Winner" : "Earlier winner", note: `trial ${child.evaluation.label}` };
  });
  const best = bestOf(grid, tasks);
  return [
    ...children.sort((a, b) => b.highlight - a.highlight),
    ...descending(all("parent", { note: "parent" }), tasks),
    ...descending(all("average", { note: "average" }), tasks),
    ...(best ? [subject(best.evaluation, { note: "best uniform weights" })] : []),
  ];
}

function testNote(result) {
  const compared = result?.holdout.some(({ against_winner: against }) => Object.keys(against).length > 0);
  return compared
    ? "p: McNemar’s exact test of the winner against each, on the same items; of many such tests one in twenty falls below 0.05 by chance."
    : "";
}

// How much of the winner's fitness in the search was luck that items it never saw do not share.
function optimism(result) {
  const winner = result?.finalists.find(({ trial }) => trial === result.winner);
  if (!winner || winner.optimism === null) return "";
  const { search, select, holdout } = winner;
  const verdict = winner.optimism > 0 ? `too optimistic by ${points(winner.optimism)} points` : "not too optimistic";
  return `The winner’s fitness is ${percent(search)} on the search’s items, ${percent(select)} on select and ${percent(holdout)} on holdout: the search was ${verdict}.`;
}

// Best first; what could not be scored comes last.
export function descending(subjects, tasks) {
  const fitness = ({ evaluation }) =>
    evaluation.scores.length ? fitnessOf(evaluation.scores, tasks) : -1;
  return [...subjects].sort((a, b) => fitness(b) - fitness(a));
}

function verdict(subjects, tasks, job) {
  const winner = subjects.find(({ highlight }) => highlight);
  const parent = subjects.find(({ evaluation }) => evaluation.kind === "parent");
  if (!winner?.evaluation.scores.length || !parent?.evaluation.scores.length) {
    return job.winner === null
      ? "The finalists are being scored again; the winner is fixed there."
      : `Trial ${job.winner} is the winner. It is being scored once on items that no search has seen.`;
  }
  if (tasks.length > 1) {
    const [ours, theirs] = [winner, parent].map(({ evaluation }) => fitnessOf(evaluation.scores, tasks));
    return `Over ${tasks.length} tasks the winner’s weighted mean is ${percent(ours)}; the best parent, ${parent.label}, reaches ${percent(theirs)}.`;
  }
  const [ours] = winner.evaluation.scores;
  const [theirs] = parent.evaluation.scores;
  const apart = ours.low > theirs.high || theirs.low > ours.high;
  return (
    `The winner scores ${percent(ours.accuracy)} on ${count(ours.n)} items that no search has seen; ` +
    `the best parent, ${parent.label}, scores ${percent(theirs.accuracy)}. ` +
    `Their 95% intervals ${apart ? "do not overlap" : "overlap"}.${beatenBy(subjects, ours)}`
  );
}

// What a person would have tried by hand may have done better: that is part of the result.
function beatenBy(subjects, ours) {
  const better = subjects
    .filter(({ evaluation }) => evaluation.kind === "average" || evaluation.kind === "grid")
    .filter(({ evaluation }) => evaluation.scores[0]?.accuracy > ours.accuracy)
    .map(({ label, note, evaluation }) => `${label} (${note}, ${percent(evaluation.scores[0].accuracy)})`);
  return better.length ? ` Scoring higher than the winner: ${better.join("; ")}.` : "";
}

function gridNote(grid) {
  if (grid.length === 0) return "";
  return `“Best uniform weights” is the best of ${grid.length} grid points, picked on holdout itself, which favours it.`;
}

function finalistTables(select, job, tasks) {
  const subjects = select.map((evaluation) => ({
    evaluation,
    label: `Trial ${evaluation.label}`,
    note: Number(evaluation.label) === job.winner ? "winner" : null,
    highlight: Number(evaluation.label) === job.winner,
  }));
  return tablesOf(descending(subjects, tasks), tasks, "select");
}
