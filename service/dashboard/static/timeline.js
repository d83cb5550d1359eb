// What each worker did and when: merging, scoring, or nothing.

import { element } from "./dom.js";
import { count, duration, percent } from "./format.js";
import { axis, coloursOf, CONFIG, look } from "./plot.js";
import { plainTable } from "./table.js";

const LANE = 34;

export function drawTimeline(plotly, target, twin, stints) {
  const colours = coloursOf(target);
  const begun = stints.map(({ at, merge_seconds: merge, score_seconds: score }) => Date.parse(at) / 1000 - merge - score);
  const start = Math.min(...begun);
  const end = Math.max(...stints.map(({ at }) => Date.parse(at) / 1000));
  const workers = [...new Set(stints.map(({ worker }) => worker))].sort();
  const [unit, name] = end - start > 7200 ? [3600, "hours"] : end - start > 180 ? [60, "minutes"] : [1, "seconds"];
  const bars = (label, part, offset, color) => ({
    name: label,
    type: "bar",
    orientation: "h",
    y: stints.map(({ worker }) => worker),
    base: stints.map((stint, at) => (begun[at] - start + offset(stint)) / unit),
    x: stints.map((stint) => part(stint) / unit),
    customdata: stints.map((stint) => `${stint.subject}, ${stint.split}: ${part(stint).toFixed(2)} s`),
    marker: { color, line: { width: 0 } },
    hovertemplate: `${label}: %{customdata}<extra></extra>`,
  });
  target.style.height = `${90 + LANE * workers.length}px`;
  plotly.react(
    target,
    [
      bars("Merging", ({ merge_seconds: seconds }) => seconds, () => 0, colours.parent),
      bars("Scoring", ({ score_seconds: seconds }) => seconds, ({ merge_seconds: seconds }) => seconds, colours.accent),
    ],
    {
      ...look(target, colours),
      barmode: "overlay",
      bargap: 0.35,
      margin: { l: 10, r: 12, t: 28, b: 44 },
      legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom" },
      xaxis: { ...axis(colours), title: { text: `${name} since the first piece of work`, standoff: 8, font: { size: 13 } } },
      yaxis: { ...axis(colours), automargin: true, fixedrange: true, categoryorder: "category descending" },
    },
    CONFIG,
  );
  const sums = workers.map((worker) => shares(worker, stints.filter((stint) => stint.worker === worker), end - start));
  twin.replaceChildren(workersTable(sums));
  return summary(sums);
}

function shares(worker, stints, span) {
  const merge = stints.reduce((sum, stint) => sum + stint.merge_seconds, 0);
  const score = stints.reduce((sum, stint) => sum + stint.score_seconds, 0);
  return { worker, pieces: stints.length, merge, score, idle: Math.max(0, span - merge - score), span: span || 1 };
}

function workersTable(sums) {
  const columns = ["Worker", "Pieces of work", "Merging", "Scoring", "Idle", "Idle share"].map((name, at) => ({ name, right: at > 0 }));
  const rows = sums.map(({ worker, pieces, merge, score, idle, span }) => [
    element("span", { class: "long" }, worker), count(pieces), duration(merge), duration(score), duration(idle), percent(Math.min(1, idle / span)),
  ]);
  return plainTable("Workers", columns, rows);
}

function summary(sums) {
  const total = (part) => sums.reduce((sum, one) => sum + one[part], 0);
  const share = (part) => percent(total(part) / (total("merge") + total("score") + total("idle") || 1));
  return `Workers spent ${share("merge")} of the time merging, ${share("score")} scoring and ${share("idle")} idle.`;
}
