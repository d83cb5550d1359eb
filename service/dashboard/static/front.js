// The Pareto front: trials that no other beats in every objective.

import { count, percent } from "./format.js";
import { axis, coloursOf, CONFIG, look } from "./plot.js";
import { plainTable } from "./table.js";

const AMOUNTS = { size: "parameters", speed: "tokens a second" };

// `front`: the API's points; `trials`: all scored, with `objectives` in the order of `names`.
export function drawFront(plotly, target, twin, { front, trials, names, pair }) {
  const colours = coloursOf(target);
  const [first, second] = pair;
  const valuesOf = (name) => ({ objectives }) => {
    const value = objectives[names.indexOf(name)];
    return name === "size" ? -value : value;
  };
  const all = trials.filter(({ objectives }) => objectives !== null);
  const best = [...front].sort((a, b) => a.objectives[first] - b.objectives[first]);
  const hover = `trial %{customdata}<br>${first}: %{x}<br>${second}: %{y}<extra></extra>`;
  plotly.react(
    target,
    [
      { name: "Trial", type: "scatter", mode: "markers", x: all.map(valuesOf(first)), y: all.map(valuesOf(second)), customdata: all.map(({ number }) => number), marker: { color: colours.point, size: 6, opacity: 0.6 }, hovertemplate: hover },
      { name: "On the front", type: "scatter", mode: "markers+lines", x: best.map(({ objectives }) => objectives[first]), y: best.map(({ objectives }) => objectives[second]), customdata: best.map(({ trial }) => trial), line: { color: colours.accent, width: 1.5, dash: "dot" }, marker: { color: colours.accent, size: 9, line: { color: colours.card, width: 1.5 } }, hovertemplate: hover },
    ],
    {
      ...look(target, colours),
      margin: { l: 70, r: 16, t: 30, b: 52 },
      hovermode: "closest",
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
      xaxis: { ...axis(colours), ...scaleOf(first) },
      yaxis: { ...axis(colours), ...scaleOf(second) },
    },
    CONFIG,
  );
  const columns = [{ name: "Trial", right: true }, ...names.map((name) => ({ name, right: true }))];
  const rows = front.map(({ trial, objectives }) => [trial, ...names.map((name) => amount(name, objectives[name]))]);
  twin.replaceChildren(plainTable("The front", columns, rows));
}

const scaleOf = (name) => ({
  title: { text: AMOUNTS[name] ?? name, standoff: 10, font: { size: 13 } },
  tickformat: AMOUNTS[name] ? undefined : ".0%",
});

const amount = (name, value) => (AMOUNTS[name] ? count(Math.round(value)) : percent(value));
